//! The library: which files the config names, and what became of them.
//!
//! Every file, and the folder it lies in, must belong to somebody who may say what runs here, as the config itself; one that does not is
//! listed and cannot be used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use url::Url;

use super::{
    super::{
        load,
        model::Config,
        ownership,
        problem::{Level, Problem},
        section::Section,
    },
    Known, LARGEST, read,
};
use crate::domain::{Definition, Library, Runbook, RunbookId, SloId, SourceName, Text, Unusable};

/// The most runbooks that are read.
const MOST: usize = 1_000;
/// How deep folders of runbooks may lie in each other.
const DEEPEST: usize = 8;

/// `[runbooks]` and the `runbooks` of `[[service]]` rows.
#[derive(Clone, Debug, Default)]
pub struct RunbookFiles {
    /// A folder in which every `.md` but `README.md` is a runbook.
    dir: Option<(PathBuf, Range<usize>)>,
    /// More of them, by patterns.
    paths: Vec<(PathBuf, Range<usize>)>,
    /// Addresses under which people read that folder, each with its last `/`.
    base_urls: Vec<String>,
    /// Which of them serve which service.
    pub(in super::super) of_services: Vec<(Text, PathBuf, Range<usize>)>,
}

/// `[runbooks]` of `root`.
pub(in super::super) fn runbook_files(root: &mut Section) -> RunbookFiles {
    let Some(mut section) = root.table("runbooks") else { return RunbookFiles::default() };
    let path = |section: &Section, text: &str| section.context.path(text);
    let dir = section.str("dir").map(|t| (path(&section, t.get_ref()), t.span()));
    let paths = section.strings("paths").unwrap_or_default();
    let paths = paths.into_iter().map(|t| (path(&section, t.get_ref()), t.span())).collect();
    let bases = if section.is_text("base_url") { section.str("base_url").map(|t| vec![t]) } else { section.strings("base_url") };
    let mut base_urls = Vec::new();
    for base in bases.into_iter().flatten() {
        let well = Url::parse(base.get_ref()).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        if well {
            base_urls.push(format!("{}/", base.get_ref().trim_end_matches('/')));
        } else {
            let help = "such as \"https://wiki.acme.io/runbooks\"";
            section.error_with_help(&base.span(), "`base_url` begins with http:// or https://", help);
        }
    }
    if !base_urls.is_empty() && dir.is_none() {
        section.missing_with_help("`base_url` stands for a folder, and there is no `dir`", "add `dir = \"runbooks\"`");
    }
    section.finish();
    RunbookFiles { dir, paths, base_urls, of_services: Vec::new() }
}

/// What became of the files that a config names.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The runbooks.
    pub library: Library,
    /// What is wrong with the files and the patterns that name them, file by file.
    pub problems: Vec<Problem>,
}

/// Read all runbooks that `config` names. `sources` are those that can be asked a query.
pub fn library(config: &Config, sources: &[SourceName]) -> Shelf {
    let files = &config.runbooks;
    let mut shelf = Shelf::default();
    shelf.library.base_urls.clone_from(&files.base_urls);
    shelf.library.held = config.held.map(Text::from);
    let found = found(config, &mut shelf);
    let slo = |id: &SloId| config.definitions.iter().any(|d| promises(d, id));
    let known = Known { slo: Some(&slo), sources: Some(sources) };
    let root = files.dir.as_ref().map_or_else(|| config.document.folder().to_owned(), |(dir, _)| dir.clone());
    let mut faults = BTreeSet::new();
    let mut books = Vec::new();
    for (path, services) in found {
        let (book, mut problems) = one(&path, &root, known, &config.cockpit.trusted_owners);
        let wrong: Vec<_> = problems.iter().filter(|p| p.level == Level::Error).collect();
        if let (None, Some(first)) = (&book, wrong.first()) {
            let line = first.place.as_ref().map_or_else(String::new, |p| format!("line {}: ", p.line));
            let first = Text::clean(&format!("{line}{}", first.message));
            shelf.library.unusable.push(Unusable { file: path.clone(), mistakes: wrong.len(), first });
        }
        // A folder is complained about once, not once for each of its files.
        problems.retain(|p| p.place.is_some() || faults.insert(p.message.clone()));
        shelf.problems.extend(problems);
        books.extend(book.map(|mut book| {
            for service in services {
                if !book.services.contains(&service) {
                    book.services.push(service);
                }
            }
            book.place = place(&path, &root);
            book
        }));
    }
    named(&mut books);
    shelf.library.books = books.into_iter().map(Arc::new).collect();
    shelf
}

/// Read one file and check who may have written it.
fn one(path: &Path, root: &Path, known: Known<'_>, trusted: &[String]) -> (Option<Runbook>, Vec<Problem>) {
    match load::open(path, LARGEST) {
        Ok((meta, text)) => {
            let mut problems = ownership::check(path, &meta, true, trusted);
            problems.extend(ownership::check_between(path, root, trusted));
            let (book, more) = read(path, &text, known);
            let distrusted = !problems.is_empty();
            problems.extend(more);
            (book.filter(|_| !distrusted), problems)
        }
        Err((message, help)) => (None, vec![Problem::whole(path, message, help)]),
    }
}

/// Read one file for `runbook lint`: as [`library`] would, with what `config` knows, if there is one.
pub fn lint(path: &Path, config: Option<(&Config, &[SourceName])>) -> Vec<Problem> {
    let slo = |id: &SloId| config.is_none_or(|(c, _)| c.definitions.iter().any(|d| promises(d, id)));
    let known = Known { slo: config.is_some().then_some(&slo as &dyn Fn(&SloId) -> bool), sources: config.map(|(_, s)| s) };
    one(path, path, known, config.map_or(&[], |(c, _)| &c.cockpit.trusted_owners)).1
}

/// Whether a definition can bring forth this SLO.
fn promises(definition: &Definition, id: &SloId) -> bool {
    let id = id.as_str();
    let id = id.strip_prefix(&format!("{}/", definition.source)).filter(|_| definition.qualified).unwrap_or(id);
    let Some((group, name)) = id.rsplit_once('/') else { return false };
    let fits = if definition.by.is_empty() {
        definition.service.as_ref().map_or("", Text::as_str) == group
    } else {
        !group.is_empty() && group.split(',').count() >= definition.by.len()
    };
    name == definition.name.as_str() && fits
}

/// All files with the services that name them, each once, in the order of the config.
fn found(config: &Config, shelf: &mut Shelf) -> Vec<(PathBuf, Vec<Text>)> {
    let files = &config.runbooks;
    let mut order: Vec<PathBuf> = Vec::new();
    let mut services: BTreeMap<PathBuf, Vec<Text>> = BTreeMap::new();
    let mut add = |paths: Vec<PathBuf>, service: Option<&Text>| {
        for path in paths {
            if !services.contains_key(&path) {
                order.push(path.clone());
            }
            services.entry(path).or_default().extend(service.cloned());
        }
    };
    let mut say = |level, span: &Range<usize>, message: String, help: Option<&str>| {
        let place = Some(config.document.place(span, &[]));
        let whole = Problem::whole(config.document.path(), message, help);
        shelf.problems.push(Problem { level, place, ..whole });
    };
    if let Some((dir, span)) = &files.dir {
        match walk(dir) {
            Ok(paths) => add(paths, None),
            Err(why) => say(Level::Warning, span, format!("cannot read {}: {why}", dir.display()), None),
        }
    }
    let patterns = files.paths.iter().map(|(p, s)| (p, s, None));
    for (pattern, span, service) in patterns.chain(files.of_services.iter().map(|(service, p, s)| (p, s, Some(service)))) {
        let paths = glob(pattern);
        if paths.is_empty() {
            say(Level::Warning, span, format!("no file is called {}", pattern.display()), Some("`*` and `?` stand for other characters"));
        }
        add(paths, service);
    }
    if order.len() > MOST {
        let message = format!("{} runbooks, of which {MOST} are read", order.len());
        shelf.problems.push(Problem { level: Level::Warning, ..Problem::whole(config.document.path(), message, None) });
        order.truncate(MOST);
    }
    order.into_iter().map(|path| (path.clone(), services.remove(&path).unwrap_or_default())).collect()
}

/// Every `.md` in a folder and the folders in it, by path. Links to folders are not followed.
fn walk(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut folders = vec![(dir.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if entry.file_type()?.is_dir() {
                if depth < DEEPEST {
                    folders.push((entry.path(), depth + 1));
                }
            } else if is_markdown(&entry.path()) && name != "README.md" {
                out.push(entry.path());
            }
        }
        if out.len() > MOST {
            break;
        }
    }
    out.sort();
    Ok(out)
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("md") || e.eq_ignore_ascii_case("markdown"))
}

/// The files that a pattern names, by path: `*` and `?` within a part, which then begins with no dot.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let wild = match part {
            Component::Normal(name) => name.to_string_lossy().contains(['*', '?']).then(|| name.to_string_lossy().into_owned()),
            _ => None,
        };
        found = match wild {
            None => found.into_iter().map(|p| p.join(part)).collect(),
            Some(wild) => found.iter().flat_map(|folder| inside(folder, &wild)).take(MOST + 1).collect(),
        };
    }
    found.retain(|p| p.is_file());
    found.sort();
    found
}

fn inside(folder: &Path, wild: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(here) else { return Vec::new() };
    let names = entries.filter_map(Result::ok).map(|e| e.file_name());
    names.filter(|n| !n.to_string_lossy().starts_with('.') && fits(wild, &n.to_string_lossy())).map(|n| folder.join(n)).collect()
}

/// Whether `name` is of the form `wild`.
fn fits(wild: &str, name: &str) -> bool {
    let (wild, name): (Vec<char>, Vec<char>) = (wild.chars().collect(), name.chars().collect());
    // What of the pattern fits the characters so far, by length: one row at a time.
    let mut row: Vec<bool> = std::iter::once(true)
        .chain(wild.iter().scan(true, |all, c| {
            *all = *all && *c == '*';
            Some(*all)
        }))
        .collect();
    for c in &name {
        let mut next = vec![false; row.len()];
        for (n, w) in wild.iter().enumerate() {
            let (before, here, left) = (row.get(n), row.get(n + 1), next.get(n));
            let fits = match w {
                '*' => here == Some(&true) || left == Some(&true),
                '?' => before == Some(&true),
                w => w == c && before == Some(&true),
            };
            if let Some(cell) = next.get_mut(n + 1) {
                *cell = fits;
            }
        }
        row = next;
    }
    row.last() == Some(&true)
}

/// The end of the address under which people read a file.
fn place(path: &Path, root: &Path) -> Option<String> {
    let rest = path.strip_prefix(root).ok()?;
    let parts: Vec<_> = rest.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    Some(parts.join("/")).filter(|p| !p.is_empty())
}

/// Give each book a name of its own: of two files of one name those with their folder in front.
fn named(books: &mut [Runbook]) {
    let mut taken: BTreeMap<RunbookId, usize> = BTreeMap::new();
    for book in books.iter() {
        *taken.entry(book.id.clone()).or_default() += 1;
    }
    let mut used = BTreeSet::new();
    for book in books {
        if taken.get(&book.id).is_some_and(|n| *n > 1) {
            let folder = book.file.parent().and_then(Path::file_name).map_or_else(String::new, |f| format!("{}/", f.to_string_lossy()));
            book.id = RunbookId::new(&format!("{folder}{}", book.id));
        }
        if !used.insert(book.id.clone()) {
            book.id = RunbookId::new(&book.file.with_extension("").to_string_lossy());
            used.insert(book.id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        for (wild, name, expected) in [
            ("checkout-*.md", "checkout-rollback.md", true),
            ("checkout-*.md", "checkout.md", false),
            ("*", "a", true),
            ("*.md", ".md", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**a*b", "xxaxxb", true),
            ("", "", true),
            ("a", "", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(wild, name), expected, "{wild} {name}");
        }
    }
}
