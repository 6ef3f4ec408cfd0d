//! Find the file, read it, and have everything in it looked at before any mistake is told.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::{File, Metadata, OpenOptions},
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    context::{Commands, Context},
    document::Document,
    group,
    model::{self, Config, SourceRow, Vocabulary},
    ownership, people,
    problem::{Level, Problem, Problems},
    queue, rotation, runbook, secret,
    section::Section,
    slo, trust,
};

/// The largest config file that is read, in bytes.
pub(super) const LARGEST: u64 = 4 << 20;

/// Why nothing runs by the word of a file that was merely found.
pub(super) const FOUND_HERE: &str = "./burnwatch.toml was merely found, so it runs no commands; `burnwatch trust` says that it may";

/// How a file came to be the one to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user named it: `--config` or `$BURNWATCH_CONFIG`.
    Named,
    /// It lies where config files lie: XDG or `/etc`.
    Standard,
    /// It lies in the working directory; it runs no commands unless it is trusted.
    Here,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// How it was found.
    pub origin: Origin,
}

/// There is no config file; these are the places where one was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound(pub Vec<PathBuf>);

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.0.iter().map(|p| p.display().to_string()).collect();
        write!(f, "no config file: looked for {}; name one with --config, or look around in `burnwatch demo`", places.join(", "))
    }
}

impl std::error::Error for NotFound {}

/// What was read, with what each backend made of its row.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The file's content.
    pub config: Config,
    /// What became of the `[[source]]` rows, in the order of the file.
    pub sources: Vec<T>,
    /// What is probably not meant so.
    pub warnings: Vec<Problem>,
}

/// The config file: `explicit` (`--config`), else `$BURNWATCH_CONFIG`, else the first that exists of
/// `$XDG_CONFIG_HOME/burnwatch/burnwatch.toml` (`~/.config` by default), `/etc/burnwatch/burnwatch.toml`, `./burnwatch.toml`.
pub fn find(explicit: Option<&Path>, env: &impl Fn(&str) -> Option<OsString>) -> Result<Found, NotFound> {
    let set = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = explicit.map(Path::to_owned).or_else(|| set("BURNWATCH_CONFIG")) {
        return Ok(Found { path, origin: Origin::Named });
    }
    let own = set("XDG_CONFIG_HOME").filter(|p| p.is_absolute()).or_else(|| set("HOME").map(|home| home.join(".config")));
    let file = "burnwatch/burnwatch.toml";
    let own = own.map(|folder| Found { path: folder.join(file), origin: Origin::Standard });
    let others = [(Path::new("/etc").join(file), Origin::Standard), (PathBuf::from("./burnwatch.toml"), Origin::Here)];
    let places: Vec<_> = own.into_iter().chain(others.map(|(path, origin)| Found { path, origin })).collect();
    first_that_exists(places)
}

/// A place that cannot be looked at counts as existing, so that reading it says why.
fn first_that_exists(places: Vec<Found>) -> Result<Found, NotFound> {
    let there = |found: &&Found| !matches!(found.path.try_exists(), Ok(false));
    match places.iter().find(there) {
        Some(found) => Ok(found.clone()),
        None => Err(NotFound(places.into_iter().map(|p| p.path).collect())),
    }
}

/// Read the file and check all of it. `read` is called for every `[[source]]` row of a known kind and reads its keys from the row's
/// section (all of them, also after a mistake); keys it did not ask for are mistakes.
pub fn load<T>(found: &Found, words: &Vocabulary<'_>, read: impl FnMut(&mut SourceRow) -> Option<T>) -> Result<Loaded<T>, Problems> {
    let (meta, text) = open(&found.path, LARGEST).map_err(|(message, help)| Problem::whole(&found.path, message, help))?;
    let trusted = found.origin == Origin::Here && trust::is_trusted(&found.path, &text);
    let guard = Guard { meta: Some(&meta), origin: found.origin, trusted };
    assemble(Document::new(&found.path, &text), &guard, words, read)
}

/// As [`load`], for a text that does not lie in a file: nothing is asked about owners, and commands may run.
pub fn load_text<T>(
    path: &Path,
    text: &str,
    words: &Vocabulary<'_>,
    read: impl FnMut(&mut SourceRow) -> Option<T>,
) -> Result<Loaded<T>, Problems> {
    assemble(Document::new(path, text), &Guard { meta: None, origin: Origin::Named, trusted: false }, words, read)
}

/// The text of a file of at most `largest` bytes, or what is wrong with it and the remedy.
pub(super) fn open(path: &Path, largest: u64) -> Result<(Metadata, String), (String, Option<&'static str>)> {
    let cannot = |why: &std::io::Error| (format!("cannot read it: {}", secret::cause(why)), None);
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|why| cannot(&why))?;
    let meta = file.metadata().map_err(|why| cannot(&why))?;
    if meta.is_dir() {
        return Err(("it is a folder, not a file".to_owned(), Some("name the file in it")));
    }
    if !meta.is_file() {
        return Err(("it is not a plain file".to_owned(), None));
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|why| cannot(&why))?;
    if bytes.len() as u64 > largest {
        let help = if largest == LARGEST { "is it really a config file?" } else { "is it really a runbook?" };
        return Err((format!("it is larger than {} MiB", largest >> 20), Some(help)));
    }
    let text = String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        let line = why.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        (format!("it is not UTF-8 text: line {line} cannot be read"), Some("save it as UTF-8"))
    })?;
    Ok((meta, text))
}

/// What is known of the file beside its text.
struct Guard<'a> {
    meta: Option<&'a Metadata>,
    origin: Origin,
    /// Whether somebody said that a file which was merely found may run commands.
    trusted: bool,
}

impl Guard<'_> {
    fn check(&self, path: &Path, trusted: &[String]) -> Vec<Problem> {
        self.meta.map(|meta| ownership::check(path, meta, self.origin == Origin::Named, trusted)).unwrap_or_default()
    }
    fn commands(&self, distrusted: bool) -> Commands {
        match (distrusted, self.origin) {
            (true, _) => Commands::Distrusted,
            (false, Origin::Here) if !self.trusted => Commands::FoundHere,
            (false, _) => Commands::Run,
        }
    }
}

fn assemble<T>(
    document: Document,
    guard: &Guard<'_>,
    words: &Vocabulary<'_>,
    mut read: impl FnMut(&mut SourceRow) -> Option<T>,
) -> Result<Loaded<T>, Problems> {
    let (context, entries) = Context::new(document, guard.meta.map(MetadataExt::mode));
    let context = Arc::new(context);
    let mut root = Section::new(Arc::clone(&context), entries, 0..0);
    let cockpit = model::cockpit(&mut root, words.themes);
    let mut problems = guard.check(context.document.path(), &cockpit.trusted_owners);
    context.commands.set(guard.commands(!problems.is_empty())).ok();
    let rows = model::sources(&mut root, words.kinds);
    let people = people::people(&mut root);
    let (rotations, mut names) = rotation::rotations(&mut root, &people, cockpit.time_zone);
    names.extend(rows.iter().filter_map(|row| row.section.text_of("rotation").map(str::to_owned)));
    let mut runbooks = runbook::runbook_files(&mut root);
    let (services, of_services) = people::services(&mut root, &names);
    runbooks.of_services = of_services;
    let mut definitions = slo::definitions(&mut root, &rows, words.kinds);
    let queues = queue::queues(&mut root, &rows, words.kinds);
    definitions.extend(queues.promises);
    let config = Config {
        store: model::store(&mut root),
        services,
        groups: group::groups(&mut root),
        runbooks,
        held: matches!(context.commands.get(), Some(Commands::FoundHere)).then_some(FOUND_HERE),
        people,
        rotations,
        definitions,
        queues: queues.rules,
        gauges: queues.gauges,
        document: context.document.clone(),
        cockpit,
    };
    root.finish();
    let known = rows.into_iter().filter(|row| !row.kind.is_empty());
    let sources: Vec<T> = known.filter_map(|mut row| Some((read(&mut row), row.section.finish())).and_then(|(made, ())| made)).collect();
    problems.extend(context.problems());
    if problems.iter().any(|p| p.level == Level::Error) {
        return Err(Problems(problems));
    }
    Ok(Loaded { config, sources, warnings: problems })
}

/// The environment, for [`find`].
pub fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}
