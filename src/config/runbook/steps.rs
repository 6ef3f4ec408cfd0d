//! From headings and blocks to steps: what each attribute means, and whether the steps agree with each other.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{
    super::{
        document::Document,
        problem::{closest, did_you_mean},
    },
    Findings, Known,
    attributes::{Attributes, Given},
    markdown::{Block, Body, Part, Section},
    shell, words,
};
use crate::domain::{
    Check, Command, EffectWish, Expectation, Hangup, HttpCall, Input, Shell, SourceName, Step, StepKind, StepName, Text, Untrusted,
};

/// Attributes with a meaning.
const KEYS: [&str; 18] = [
    "name",
    "kind",
    "manual",
    "check",
    "run",
    "http",
    "timeout",
    "cost",
    "danger",
    "undo",
    "expect",
    "effect",
    "continue_on_error",
    "on_hangup",
    "inputs",
    "approve",
    "source",
    "ignore",
];
/// Attributes with a meaning to runme alone.
const RUNMES: [&str; 13] = [
    "background",
    "category",
    "closeTerminalOnSuccess",
    "cwd",
    "excludeFromRunAll",
    "id",
    "interactive",
    "interpreter",
    "mimetype",
    "openTerminalOnError",
    "promptEnv",
    "tag",
    "terminalRows",
];

/// All steps of a file, and what is no step.
pub(super) fn read(
    document: &Document,
    body: &Body,
    shell: Option<Shell>,
    known: Known<'_>,
    findings: &Findings,
) -> (Vec<Text>, Vec<Step>) {
    let mut made = Made { document, shell, known, findings, prose: body.prose.clone(), steps: Vec::new(), places: Vec::new() };
    for section in &body.sections {
        made.section(section);
    }
    if made.steps.is_empty() {
        let end = document.line_span(document.line_count().saturating_sub(1));
        findings.warning(&end, "there is no step", "a step is a heading `## Title`, with or without a block behind it");
    }
    made.agree();
    (trimmed(made.prose), made.steps)
}

/// Where the parts of a step stand that others refer to.
struct Places {
    name: Range<usize>,
    undo: Option<Range<usize>>,
}

struct Made<'a> {
    document: &'a Document,
    shell: Option<Shell>,
    known: Known<'a>,
    findings: &'a Findings,
    prose: Vec<Text>,
    steps: Vec<Step>,
    places: Vec<Places>,
}

impl Made<'_> {
    fn section(&mut self, section: &Section) {
        let heading = section.attributes.clone().unwrap_or_default();
        let blocks = section.parts.iter().filter(|p| matches!(p, Part::Block(_))).count();
        if words::ignored(&heading) {
            let lines = section.parts.iter().filter_map(|p| if let Part::Prose(line) = p { Some(line.clone()) } else { None });
            self.prose.extend(lines);
            return;
        }
        let mut prose = Vec::new();
        let (mut seen, first) = (0, self.steps.len());
        for part in &section.parts {
            match part {
                Part::Prose(line) => prose.push(line.clone()),
                Part::Block(block) => {
                    seen += 1;
                    let title = if section.title.is_empty() { Text::default() } else { section.title.clone() };
                    self.step(
                        &title,
                        (blocks > 1).then_some(seen),
                        &block.attributes,
                        Some(block),
                        &block.span,
                        std::mem::take(&mut prose),
                    );
                }
            }
        }
        if blocks == 0 {
            let empty = prose.iter().all(|line| line.as_str().trim().is_empty());
            if empty {
                self.findings.warning(
                    &section.span,
                    "this step says nothing but its title",
                    "tell how to do it, and how to see that it worked",
                );
            }
            self.step(&section.title, None, &heading, None, &section.span, prose);
            return;
        }
        if let Some(at) = heading.first() {
            let help = "write the attributes of a block behind its fence";
            self.findings.warning(&at.span, "this heading has a block, so its own attributes are passed over", help);
        }
        // What stands behind the last block is said of that block.
        if let Some(last) = self.steps.get_mut(first..).and_then(<[Step]>::last_mut) {
            let kept = std::mem::take(&mut last.prose);
            last.prose = trimmed(kept.into_iter().chain([Text::default()]).chain(prose).collect());
        }
    }

    fn step(&mut self, title: &Text, nth: Option<usize>, all: &Attributes, block: Option<&Block>, span: &Range<usize>, prose: Vec<Text>) {
        let words = Words { all, findings: self.findings };
        words.known();
        let given = words.text("name").filter(|name| words.name("name", name)).map(str::to_owned);
        let shown = match (&given, nth) {
            _ if title.is_empty() => Text::clean(given.as_deref().unwrap_or("step")),
            (Some(name), Some(_)) => Text::clean(&format!("{title}: {name}")),
            (None, Some(n)) if n > 1 => Text::clean(&format!("{title} ({n})")),
            _ => title.clone(),
        };
        let place = words::place(all, "name").unwrap_or_else(|| span.clone());
        let name = self.named(given, title, &place);
        let kind = self.kind(&words, block, span);
        let manual = matches!(kind, StepKind::Manual);
        let line = self.document.line_of(span.start) + 1;
        let inputs = self.inputs(&words, block);
        let step = Step {
            name: StepName::new(&name),
            title: shown,
            prose: trimmed(with_manual_block(prose, block.filter(|_| manual))),
            timeout: self.timeout(&words, manual, span),
            cost: words.text("cost").map(Text::clean),
            danger: words.danger(),
            undo: words.text("undo").filter(|undo| words.name("undo", undo)).map(StepName::new),
            effect: self.effect(&words),
            continue_on_error: words.flag("continue_on_error"),
            on_hangup: words.hangup(matches!(kind, StepKind::Check { .. })),
            inputs,
            approve: words.approve(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            kind,
        };
        self.steps.push(step);
        self.places.push(Places { name: place, undo: words::place(all, "undo") });
    }

    /// The step's name: as given, or made of the title; unique either way.
    fn named(&self, given: Option<String>, title: &Text, place: &Range<usize>) -> String {
        let line = |name: &str| {
            let first = self.steps.iter().position(|s| s.name.as_str() == name)?;
            self.places.get(first).map(|p| self.document.line_of(p.name.start) + 1)
        };
        if let Some(name) = given {
            if let Some(line) = line(&name) {
                self.findings.error(place, &format!("step `{name}` is already on line {line}"), "names are unique in a runbook");
            }
            return name;
        }
        let slug = Some(words::slug(title.as_str())).filter(|s| !s.is_empty()).unwrap_or_else(|| "step".to_owned());
        let mut free = slug.clone();
        for n in 2_usize.. {
            if line(&free).is_none() {
                break;
            }
            free = format!("{slug}-{n}");
        }
        free
    }

    fn timeout(&self, words: &Words<'_>, manual: bool, span: &Range<usize>) -> Duration {
        let Some(text) = words.text("timeout") else {
            if !manual {
                self.findings.warning(span, "this step has no timeout: it is ended after 1m", "say how long it may take: timeout=2m");
            }
            return Step::TIMEOUT;
        };
        words::span(text).unwrap_or_else(|why| {
            words.error("timeout", &why, "such as timeout=2m");
            Step::TIMEOUT
        })
    }

    fn effect(&self, words: &Words<'_>) -> Option<EffectWish> {
        let wish = words.read("effect", words::effect)?;
        if let (Some(slo), Some(there)) = (wish.signal.slo(), self.known.slo)
            && !there(slo)
        {
            words.error("effect", &format!("there is no SLO `{slo}` in the configuration"), "`burnwatch status` names them");
        }
        Some(wish)
    }

    fn inputs(&self, words: &Words<'_>, block: Option<&Block>) -> Vec<Input> {
        let Some(at) = words.all.iter().find(|a| a.key == "inputs") else {
            if let Some(block) = block {
                shell::inputs_used(self.document, block, &[], self.findings);
            }
            return Vec::new();
        };
        let inputs = match words::inputs(&at.value) {
            Ok(inputs) => inputs,
            Err(why) => {
                self.findings.error(&at.span, &why, "such as inputs=\"region=eu|us, workers=2|4 default 4\"");
                return Vec::new();
            }
        };
        let mut variables: BTreeMap<String, &str> = BTreeMap::new();
        for input in &inputs {
            if let Some(other) = variables.insert(input.variable(), &input.name) {
                let message = format!("inputs `{other}` and `{}` would both be {}", input.name, input.variable());
                self.findings.error(&at.span, &message, "give one of them another name");
            }
        }
        if let Some(block) = block {
            shell::inputs_used(self.document, block, &inputs, self.findings);
        }
        inputs
    }

    fn kind(&self, words: &Words<'_>, block: Option<&Block>, span: &Range<usize>) -> StepKind {
        let named: Vec<&str> = ["manual", "check", "run", "http"].into_iter().filter(|kind| words.flag(kind)).collect();
        let by_key = words.text("kind");
        let kind = by_key.or_else(|| named.first().copied());
        if named.len() + usize::from(by_key.is_some()) > 1 {
            self.findings.error(span, "this step is of several kinds", "leave one of `manual`, `check`, `run`, `http`");
        }
        if let Some(unknown) = by_key.filter(|k| !["manual", "check", "run", "http"].contains(k)) {
            words.error("kind", &format!("there is no kind of step `{unknown}`"), "there is manual, check, run, http");
        }
        let Some(block) = block else {
            if let Some(other) = kind.filter(|k| *k != "manual") {
                self.findings.error(span, &format!("a step of kind `{other}` needs a block"), "write ```sh {name=…} under the heading");
            }
            return StepKind::Manual;
        };
        if kind == Some("manual") {
            return StepKind::Manual;
        }
        let check = kind == Some("check");
        let expect = words.read("expect", words::expectation);
        match block.language.as_str() {
            "http" => self.http(words, block, expect, check),
            "promql" => self.query(words, block, expect),
            language => {
                let Some(shell) = Shell::of_language(language) else {
                    let what = if language.is_empty() { "a block without a language".to_owned() } else { format!("`{language}`") };
                    self.findings.error(span, &format!("{what} cannot run"), "write `sh`, `bash`, `http` or `promql` behind the fence");
                    return StepKind::Manual;
                };
                let shell = if shell == Shell::Sh { self.shell.unwrap_or(shell) } else { shell };
                self.command(words, block, shell, expect, check)
            }
        }
    }

    fn command(&self, words: &Words<'_>, block: &Block, shell: Shell, expect: Option<Expectation>, check: bool) -> StepKind {
        let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if !block.text.lines().any(says) {
            self.findings.error(&block.span, "there is nothing to run in this block", "write the command between the fences");
        }
        if block.text.len() > Command::LARGEST {
            let message = format!("this command is {} bytes long; 65536 is the most", block.text.len());
            self.findings.error(&block.span, &message, "put it into a script and call that");
        }
        if words.text("kind") == Some("http") || words.flag("http") {
            self.findings.error(&block.span, "a step of kind `http` is a block of `http`", "write ```http and `GET https://…`");
        }
        words.only("source", "promql");
        shell::lint(self.document, block, self.findings);
        let command = Command { shell, text: Untrusted::new(block.text.as_str()) };
        if let Some(wrong @ Expectation::Status { .. }) = &expect {
            words.error("expect", &format!("a command has no status {wrong}"), "write `exit 0`, `< 100`, `contains TEXT`");
        }
        if check {
            return StepKind::Check { check: Check::Command(command), expect };
        }
        if expect.is_some() {
            words.error(
                "expect",
                "only a check and a request expect something; a command ends with exit code 0",
                "add `check` if it only looks",
            );
        }
        StepKind::Run(command)
    }

    fn query(&self, words: &Words<'_>, block: &Block, expect: Option<Expectation>) -> StepKind {
        let query = block.text.trim();
        if query.is_empty() {
            self.findings.error(&block.span, "there is no query in this block", "write it between the fences");
        }
        let source = words.text("source").map(SourceName::new);
        if let (Some(source), Some(sources)) = (&source, self.known.sources)
            && !sources.contains(source)
        {
            let help = did_you_mean(source.as_str(), sources.iter().map(SourceName::as_str));
            words.error("source", &format!("no source `{source}` can be asked this"), &help.unwrap_or_default());
        }
        if let (None, Some([])) = (&source, self.known.sources) {
            self.findings.error(&block.span, "there is no source that answers queries", "add a [[source]] of kind \"prometheus\"");
        }
        if let (None, Some([_, _, ..])) = (&source, self.known.sources) {
            self.findings.error(&block.span, "several sources could answer this", "name one: source=prom");
        }
        match &expect {
            None => self.findings.warning(
                &block.span,
                "this check expects nothing, so any figure will do",
                "say what is well: expect=\"< 100\"",
            ),
            Some(Expectation::Figure { .. }) => {}
            Some(other) => words.error("expect", &format!("a query has no {other}"), "compare its figure: expect=\"< 100\""),
        }
        StepKind::Check { check: Check::Query { source, query: Untrusted::new(query) }, expect }
    }

    fn http(&self, words: &Words<'_>, block: &Block, expect: Option<Expectation>, check: bool) -> StepKind {
        words.only("source", "promql");
        if let Some(Expectation::Exit { .. }) = &expect {
            words.error("expect", "a request has no exit code", "expect a status: expect=2xx");
        }
        let call = self.call(block).unwrap_or_else(|| HttpCall {
            method: String::new(),
            url: Untrusted::default(),
            headers: Vec::new(),
            body: Untrusted::default(),
        });
        if check && !matches!(call.method.as_str(), "" | "GET" | "HEAD" | "OPTIONS") {
            self.findings.error(&block.span, &format!("a check changes nothing, and {} may", call.method), "make it a step of kind `http`");
        }
        if check { StepKind::Check { check: Check::Http(call), expect } } else { StepKind::Http { call, expect } }
    }

    /// `POST https://host/path`, headers, an empty line, the body.
    fn call(&self, block: &Block) -> Option<HttpCall> {
        let line = |n: usize| self.document.line_span(block.lines.start + n);
        let usual = "write `GET https://host/path`, headers below it, an empty line, and the body";
        let mut lines = block.text.lines().enumerate().skip_while(|(_, l)| l.trim().is_empty());
        let Some((at, first)) = lines.next() else {
            self.findings.error(&block.span, "there is no request in this block", usual);
            return None;
        };
        let (method, address) = first.trim().split_once(char::is_whitespace).unwrap_or(("", first.trim()));
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        if !known.contains(&method) {
            let help = closest(&method.to_ascii_uppercase(), known).map_or_else(|| usual.to_owned(), |m| format!("did you mean `{m}`?"));
            self.findings.error(&line(at), "a request begins with its method", &help);
            return None;
        }
        let address = address.trim().split(" HTTP/").next().unwrap_or_default();
        if let Err(why) = web(address) {
            self.findings.error(&line(at), &why, usual);
            return None;
        }
        let mut headers = Vec::new();
        for (n, header) in lines.by_ref().take_while(|(_, l)| !l.trim().is_empty()) {
            let name_ok = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            let Some((name, value)) = header.split_once(':').filter(|(name, _)| name_ok(name.trim())) else {
                self.findings.error(&line(n), "this is no header", "write `Name: value`, and an empty line before the body");
                continue;
            };
            if matches!(name.trim().to_ascii_lowercase().as_str(), "authorization" | "cookie" | "x-api-key" | "proxy-authorization") {
                let help = "call it by `curl` in a step of kind `run`, with the secret in a file";
                self.findings.error(&line(n), "a secret does not belong into a runbook, which everybody reads", help);
            }
            headers.push((name.trim().to_owned(), Untrusted::new(value.trim())));
        }
        let body = lines.map(|(_, l)| l).collect::<Vec<_>>().join("\n");
        Some(HttpCall { method: method.to_owned(), url: Untrusted::new(address), headers, body: Untrusted::new(body) })
    }

    /// Whether what steps say of each other is true.
    fn agree(&self) {
        let names: Vec<&str> = self.steps.iter().map(|s| s.name.as_str()).collect();
        for (step, places) in self.steps.iter().zip(&self.places) {
            let (Some(undo), Some(span)) = (&step.undo, &places.undo) else { continue };
            if !names.contains(&undo.as_str()) {
                let help = did_you_mean(undo.as_str(), names.iter().copied()).unwrap_or_else(|| "name a step of this file".to_owned());
                self.findings.error(span, &format!("there is no step `{undo}` to undo this one"), &help);
            } else if self.goes_round(step) {
                self.findings.error(span, &format!("undoing `{}` leads back to itself", step.name), "let one of these steps have no undo");
            }
        }
    }

    fn goes_round(&self, from: &Step) -> bool {
        let next = |name: &StepName| self.steps.iter().find(|s| s.name == *name).and_then(|s| s.undo.as_ref());
        let mut at = from.undo.as_ref();
        for _ in 0..self.steps.len() {
            match at {
                Some(name) if *name == from.name => return true,
                Some(name) => at = next(name),
                None => return false,
            }
        }
        false
    }
}

/// Whether `address` can be asked; says why not.
fn web(address: &str) -> Result<(), String> {
    let url = url::Url::parse(address).map_err(|why| format!("this is not an address: {why}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("an address begins with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("this address holds a login, and everybody reads a runbook".to_owned());
    }
    Ok(())
}

/// The attributes of one block while they are read.
struct Words<'a> {
    all: &'a Attributes,
    findings: &'a Findings,
}

impl Words<'_> {
    /// Tell of attributes that nobody knows, and of those that are there twice.
    fn known(&self) {
        for (n, attribute) in self.all.iter().enumerate() {
            let key = attribute.key.as_str();
            if self.all.iter().take(n).any(|a| a.key == key) {
                self.findings.error(&attribute.span, &format!("`{key}` is there already"), "leave one of them");
            } else if RUNMES.contains(&key) {
                self.findings.warning(&attribute.span, &format!("`{key}` is for runme; here it is passed over"), "");
            } else if !KEYS.contains(&key) {
                let help = did_you_mean(key, KEYS).unwrap_or_default();
                self.findings.warning(&attribute.span, &format!("unknown attribute `{key}`, passed over"), &help);
            } else if matches!(attribute.value, Given::Tree(_)) && key != "inputs" {
                self.findings.error(&attribute.span, &format!("`{key}` is one text"), &format!("write \"{key}\":\"…\""));
            } else if attribute.value == Given::Bare && !flaglike(key) {
                self.findings.error(&attribute.span, &format!("`{key}` wants a value"), &format!("write {key}=…"));
            }
        }
    }
    fn error(&self, key: &str, message: &str, help: &str) {
        if let Some(span) = words::place(self.all, key) {
            self.findings.error(&span, message, help);
        }
    }
    fn text(&self, key: &str) -> Option<&str> {
        let found = self.all.iter().find(|a| a.key == key)?;
        if let Given::Text(text) = &found.value { Some(text) } else { None }
    }
    fn read<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match read(self.text(key)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.error(key, &why, "");
                None
            }
        }
    }
    /// A flag: bare, or the text `true` or `false`.
    fn flag(&self, key: &str) -> bool {
        match self.all.iter().find(|a| a.key == key).map(|a| &a.value) {
            Some(Given::Bare) => true,
            Some(Given::Text(text)) if text == "true" => true,
            Some(Given::Text(text)) if text != "false" => {
                self.error(key, &format!("`{key}` is true or false, not `{text}`"), "");
                false
            }
            _ => false,
        }
    }
    fn name(&self, key: &str, name: &str) -> bool {
        let well = words::is_name(name);
        if !well {
            self.error(key, &format!("`{name}` cannot name a step"), "letters, digits, `-`, `_` and `.`, 64 at most");
        }
        well
    }
    fn danger(&self) -> Option<Text> {
        match self.all.iter().find(|a| a.key == "danger").map(|a| &a.value) {
            Some(Given::Bare) => Some("this cannot be taken back".into()),
            Some(Given::Text(text)) if text == "true" => Some("this cannot be taken back".into()),
            Some(Given::Text(text)) if text != "false" && !text.trim().is_empty() => Some(Text::clean(text)),
            _ => None,
        }
    }
    fn hangup(&self, check: bool) -> Hangup {
        let wish = match self.text("on_hangup") {
            Some("stop") => Some(Hangup::Stop),
            Some("finish") => Some(Hangup::Finish),
            Some(other) => {
                self.error("on_hangup", &format!("`on_hangup` is `finish` or `stop`, not `{other}`"), "");
                None
            }
            None => None,
        };
        if check && wish == Some(Hangup::Finish) {
            self.error("on_hangup", "a check always stops when the line is lost", "leave `on_hangup` out");
        }
        if check { Hangup::Stop } else { wish.unwrap_or_default() }
    }
    fn approve(&self) -> u32 {
        let Some(text) = self.text("approve") else { return 0 };
        let people = text.parse::<u32>().ok().filter(|n| *n <= 9);
        if people.is_none() {
            self.error("approve", &format!("`approve` is how many other people must agree, 0 to 9, not `{text}`"), "");
        }
        // What cannot be read must not open a gate.
        people.unwrap_or(1)
    }
    fn only(&self, key: &str, language: &str) {
        self.error(key, &format!("`{key}` belongs to a block of `{language}`"), "leave it out");
    }
}

/// Whether an attribute may stand without a value.
fn flaglike(key: &str) -> bool {
    matches!(key, "manual" | "check" | "run" | "http" | "danger" | "continue_on_error" | "ignore" | "inputs")
}

/// A block that people work through by hand is there to be read.
fn with_manual_block(mut prose: Vec<Text>, block: Option<&Block>) -> Vec<Text> {
    if let Some(block) = block {
        prose.push(Text::clean(&format!("```{}", block.language)));
        prose.extend(block.text.lines().map(Text::clean));
        prose.push("```".into());
    }
    prose
}

/// Without empty lines at both ends.
fn trimmed(mut lines: Vec<Text>) -> Vec<Text> {
    let empty = |line: &Text| line.as_str().trim().is_empty();
    while lines.last().is_some_and(empty) {
        lines.pop();
    }
    let lead = lines.iter().take_while(|l| empty(l)).count();
    lines.drain(..lead);
    lines
}
