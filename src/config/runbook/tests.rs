//! What a runbook file says, and every mistake at its line.

use std::path::Path;

use super::{Known, read};
use crate::domain::{Check, Hangup, Runbook, Shell, SloId, SourceName, StepKind};

fn book(text: &str) -> (Option<Runbook>, Vec<String>) {
    let slo = |id: &SloId| id.as_str() == "checkout/availability";
    let sources = [SourceName::new("prom")];
    let (book, problems) = read(Path::new("rb/checkout-rollback.md"), text, Known { slo: Some(&slo), sources: Some(&sources) });
    let line = |p: &super::Problem| {
        let (line, column) = p.position();
        let help = p.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        format!("{line}:{column} {}: {}{help}", p.level.word(), p.message)
    };
    (book, problems.iter().map(line).collect())
}
fn told(text: &str) -> Vec<String> {
    book(text).1
}
/// A runbook of this body, whose first line is line 5.
fn body(text: &str) -> String {
    format!("---\ntitle: T\nalerts: ['alertname=\"A\"']\n---\n{text}")
}

const WHOLE: &str = r#"---
# what it is for
title: Drain a stuck checkout queue
services: [checkout, "pay ments"]
alerts:
  - 'alertname="QueueStalled", queue=~"checkout.*"'
  - alertname="CheckoutSlow"
---
# Drain

Read this first.

## Look at the backlog
How many wait?
```sh {name=backlog check timeout=10s expect="< 100"}
redis-cli llen "queue:$BW_LABEL_QUEUE"
```
## Restart the workers ##
```bash {"name":"restart","approve":1,"cost":"40 USD/h","undo":"stop-extra","timeout":"2m","effect":"burn checkout/availability < 1 within 10m"}
systemctl restart checkout-worker@{1..8}
```
Wait a while.
~~~~ sh {name=stop-extra timeout=1m on_hangup=stop inputs="region=eu|us default eu" danger="drops what waits"}
stop "$BW_INPUT_REGION"
```
not the end
~~~~
## Is it well?
```promql {name=well timeout=5s expect="<= 0.5"}
sum(up == 0)
```
```http {name=front check timeout=5s expect=2xx}
GET https://shop.example/health
Accept: text/plain
```
## Tell support {name=tell cost="nothing"}
Say that it is over:

```
It is over.
```
"#;

#[test]
fn a_whole_runbook_is_read() {
    let (book, problems) = book(WHOLE);
    assert_eq!(problems, Vec::<String>::new());
    let book = book.unwrap();
    assert_eq!((book.id.as_str(), book.title.as_str()), ("checkout-rollback", "Drain a stuck checkout queue"));
    assert_eq!(book.services.iter().map(crate::domain::Text::as_str).collect::<Vec<_>>(), ["checkout", "pay ments"]);
    assert_eq!((book.alerts.len(), book.prose.iter().map(crate::domain::Text::as_str).collect::<Vec<_>>()), (2, vec!["Read this first."]));
    let names: Vec<_> = book.steps.iter().map(|s| (s.name.as_str(), s.title.as_str(), s.kind.word())).collect();
    assert_eq!(
        names,
        [
            ("backlog", "Look at the backlog", "check"),
            ("restart", "Restart the workers: restart", "run"),
            ("stop-extra", "Restart the workers: stop-extra", "run"),
            ("well", "Is it well?: well", "check"),
            ("front", "Is it well?: front", "check"),
            ("tell", "Tell support", "manual"),
        ]
    );
    assert_eq!(book.way().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["backlog", "restart", "well", "front", "tell"]);
    let step = |name: &str| book.step(&name.into()).unwrap();
    let backlog = step("backlog");
    assert_eq!(backlog.kind.command().unwrap().text.raw(), "redis-cli llen \"queue:$BW_LABEL_QUEUE\"\n");
    assert_eq!((backlog.on_hangup, backlog.timeout.as_secs(), backlog.line), (Hangup::Stop, 10, 15));
    assert_eq!(backlog.kind.expect().unwrap().to_string(), "< 100");
    let restart = step("restart");
    assert_eq!((restart.approve, restart.cost.as_ref().unwrap().as_str()), (1, "40 USD/h"));
    assert_eq!(restart.effect.as_ref().unwrap().to_string(), "burn checkout/availability < 1.0× within 10m");
    assert_eq!(restart.kind.command().unwrap().shell, Shell::Bash);
    let stop = step("stop-extra");
    assert_eq!(stop.kind.command().unwrap().text.raw(), "stop \"$BW_INPUT_REGION\"\n```\nnot the end\n");
    assert_eq!((stop.on_hangup, stop.danger.as_ref().unwrap().as_str()), (Hangup::Stop, "drops what waits"));
    assert!(
        matches!(&step("well").kind, StepKind::Check { check: Check::Query { source: None, query }, .. } if query.raw() == "sum(up == 0)")
    );
    assert_eq!(step("front").kind.call().unwrap().headers.len(), 1);
    assert_eq!(
        step("tell").prose.iter().map(crate::domain::Text::as_str).collect::<Vec<_>>(),
        ["Say that it is over:", "", "```", "It is over.", "```"]
    );
}

#[test]
fn line_ends_of_windows_never_reach_the_shell() {
    let (book, problems) = book(&WHOLE.replace('\n', "\r\n"));
    assert_eq!(problems, Vec::<String>::new());
    let book = book.unwrap();
    assert_eq!(
        book.step(&"stop-extra".into()).unwrap().kind.command().unwrap().text.raw(),
        "stop \"$BW_INPUT_REGION\"\n```\nnot the end\n"
    );
    assert_eq!(book.alerts.len(), 2);
}

#[test]
fn each_mistake_is_told_at_its_line() {
    let steps = "\
## A
```sh {name=a timeout=soon undo=nothing colour=red}
echo $BW_LABEL_X
```
## B
```sh {name=a timeout=1m undo=a kind=chekc}
# nothing
```
## C
```python {name=c timeout=1m}
print(1)
```
## D
```sh {name=d effect=\"burn nowhere/availability < 1 within 5m\" inputs=\"region, Region\" interactive=true}
echo \"$BW_INPUT_ZONE\"
```
## E
```sh {name=e timeout=1m
true
```
## F
```sh {name=f timeout=1m}
true";
    let expected = [
        "6:15 error: `soon` is not a span of time such as 30s, 2m or 1h (such as timeout=2m)",
        "6:28 error: there is no step `nothing` to undo this one (name a step of this file)",
        "6:41 warning: unknown attribute `colour`, passed over",
        "7:6 warning: a value from outside stands out of quotes: the shell would part it and fill in file names (write \"$BW_LABEL_X\" in double quotes)",
        "10:1 error: there is nothing to run in this block (write the command between the fences)",
        "10:8 error: step `a` is already on line 6 (names are unique in a runbook)",
        "10:26 error: undoing `a` leads back to itself (let one of these steps have no undo)",
        "10:33 error: there is no kind of step `chekc` (there is manual, check, run, http)",
        "14:1 error: `python` cannot run (write `sh`, `bash`, `http` or `promql` behind the fence)",
        "18:1 warning: this step has no timeout: it is ended after 1m (say how long it may take: timeout=2m)",
        "18:15 error: there is no SLO `nowhere/availability` in the configuration (`burnwatch status` names them)",
        "18:64 error: inputs `region` and `Region` would both be BW_INPUT_REGION (give one of them another name)",
        "18:88 warning: `interactive` is for runme; here it is passed over",
        "19:7 error: nobody is asked for `zone`, so $BW_INPUT_ZONE is empty (add inputs=\"zone\" behind the fence)",
        "22:1 warning: this step has no timeout: it is ended after 1m (say how long it may take: timeout=2m)",
        "22:7 error: the brace is never closed (such as {name=restart timeout=2m} or {\"name\":\"restart\"})",
        "26:1 error: this block is never closed (close it with a line of `\u{60}\u{60}\u{60}`)",
    ];
    let (book, found) = book(&body(steps));
    assert!(book.is_none());
    assert_eq!(found, expected);
}

#[test]
fn steps_that_undo_each_other_are_told() {
    let block = |name: &str, undo: &str| format!("## {name}\n```sh {{name={name} timeout=1m undo={undo}}}\ntrue\n```\n");
    let found = told(&body(&[block("a", "b"), block("b", "c"), block("c", "a"), block("d", "a"), block("e", "e")].concat()));
    let rounds: Vec<_> = found.iter().filter(|l| l.contains("leads back")).map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(rounds, ["6", "10", "14", "22"]);
}

#[test]
fn front_matter_is_read_strictly() {
    let told = |front: &str| told(&format!("---\n{front}\n---\n## A\ntext\n"));
    for (front, expected) in [
        ("title: a\ntitle: b", "3:1 error: `title` is there already"),
        ("titel: a", "2:1 warning: unknown key `titel`, passed over (did you mean `title`?)"),
        ("tags:\n  - a\n  nested:\n    deep: 1", "2:1 warning: unknown key `tags`, passed over"),
        ("alerts: [QueueStalled]", "2:10 error: these are no label matchers"),
        ("alerts: ['a=\"1\"'", "2:9 error: this list is not closed on its line"),
        ("alerts: ['a=~\".*\"']", "2:10 warning: this matches every alert"),
        ("alerts: ['a.b=\"1\"']", "2:10 error: these are no label matchers"),
        ("- a", "2:1 error: this item belongs to no list"),
        ("title: |\n  long", "2:8 error: a text that begins with `|` stands in quotes"),
        ("title: a: b", "2:8 error: a text with `: ` in it stands in quotes"),
        ("title: 'a", "2:8 error: the quote is not closed on its line"),
        ("title: 'a' b", "2:11 error: nothing may stand behind the quote"),
        ("just words", "2:1 error: this is no line of front matter"),
        ("title:\n  a: 1", "3:3 error: this line is indented and no item of a list"),
        ("title: [a]", "2:1 error: `title` is one text"),
        ("title:", "2:1 error: `title` is one text"),
        ("shell: fish", "2:8 error: there is no shell `fish` here"),
        ("cwd: ..", "2:1 warning: `cwd` is for runme; here it is passed over"),
    ] {
        let found = told(front);
        assert!(found.iter().any(|line| line.starts_with(expected)), "{front:?}: {found:#?}");
    }
    assert_eq!(told("title: it's \"so\" # not more\nservices:\n- a # b\n- 'c''d'"), Vec::<String>::new());
}

#[test]
fn hostile_and_broken_files_are_read_to_their_end() {
    assert!(told("").first().unwrap().starts_with("1:1 warning: there is no front matter"));
    assert!(told("---\ntitle: x").first().unwrap().starts_with("1:1 error: the front matter is never closed"));
    assert!(told(&body("## A\nx\0y")).first().unwrap().starts_with("6:2 error: this is a NUL character"));
    let many = body(&"## A\n```sh {name=a colour=red}\n```\n".repeat(5_000));
    let found = told(&many);
    assert!(found.len() == 101 && found.last().unwrap().contains("more mistakes"), "{}", found.len());
    for text in [
        "\u{feff}---\r\n---\r\n",
        "---",
        "## {",
        "## {}",
        "```",
        "```sh {",
        "```sh {\"",
        "~~~~~~~",
        "<!--",
        "\t```sh {a}",
        "##",
        "## A {\"name\":}",
    ] {
        told(text);
        told(&body(text));
    }
}

#[test]
fn what_a_reader_does_not_see_is_no_step() {
    let hidden =
        body("## A\n<!--\n## Hidden\n```sh {name=x}\nrm -rf /\n```\n-->\ntext\n## B\n```sh\nonly shown\n```\n```yaml {1,3}\na: 1\n```\n");
    let (book, problems) = book(&hidden);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        book.unwrap().steps.iter().map(|s| (s.title.to_string(), s.kind.word())).collect::<Vec<_>>(),
        [("A".to_owned(), "manual"), ("B".to_owned(), "manual")]
    );
    let odd = told(&body("Some text\n---------\n## A\nx\n    ```sh {name=x}\n    ls\n    ```\n"));
    assert!(odd.first().unwrap().contains("is no step") && odd.get(1).unwrap().contains("indented"), "{odd:#?}");
    let ignored = body("## Background {ignore}\nlong ago\n## A\ntext\n```sh {ignore=true}\nls\n```\n");
    let (book, problems) = self::book(&ignored);
    assert_eq!(problems, Vec::<String>::new());
    let book = book.unwrap();
    assert_eq!((book.steps.len(), book.prose.len()), (1, 1));
}

#[test]
fn secrets_and_changes_have_no_place_in_requests_and_checks() {
    let http = |attributes: &str, text: &str| told(&body(&format!("## A\n```http {{name=a timeout=1s {attributes}}}\n{text}\n```\n")));
    assert_eq!(http("expect=204", "POST https://h/x\nAccept: a/b\n\n{}"), Vec::<String>::new());
    for (attributes, text, told) in [
        ("check", "POST https://h/", "a check changes nothing, and POST may"),
        ("", "https://h/", "a request begins with its method"),
        ("", "GET ftp://h/", "an address begins with http"),
        ("", "GET https://u:p@h/", "holds a login"),
        ("", "GET https://h/\nAuthorization: Bearer x", "a secret does not belong"),
        ("", "GET https://h/\nno header", "this is no header"),
        ("expect=\"exit 0\"", "GET https://h/", "a request has no exit code"),
        ("source=prom", "GET https://h/", "`source` belongs to a block of `promql`"),
        ("", "", "there is no request"),
    ] {
        let found = http(attributes, text);
        assert!(found.iter().any(|l| l.contains(told)), "{text}: {found:#?}");
    }
    assert!(told(&body("## A\n```promql {name=a timeout=1s source=other}\nup\n```\n")).iter().any(|l| l.contains("no source `other`")));
}

#[test]
fn a_gate_that_cannot_be_read_stays_shut() {
    let (_, found) = book(&body("## A\n```sh {name=a timeout=1s approve=two}\ntrue\n```\n"));
    assert!(found.iter().any(|l| l.contains("`approve` is how many")), "{found:?}");
}
