//! One figure, for a person who asks: a check of a runbook.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{Call, Prometheus, patience, stamp};
use crate::{
    domain::Text,
    sources::source::{Figures, Now},
};

#[async_trait]
impl Figures for Prometheus {
    async fn figure(&self, query: &str, limit: Duration, now: Now<'_>) -> Result<Option<f64>, Text> {
        let form = [("query", query), ("time", &stamp(now())), ("timeout", &patience(limit))];
        let good = self.http.call(&self.instant, Call::Form(&form), limit, now).await.map_err(|failure| failure.why().clone())?;
        read(&good.body).map_err(|what| Text::from(format!("{}: {what}", self.name)))
    }
}

/// The one figure of an answer; `None` if it holds none, or one that is no number.
fn read(body: &[u8]) -> Result<Option<f64>, String> {
    let not_ours = || "the answer is not what a Prometheus sends".to_owned();
    let answer: Value = serde_json::from_slice(body).map_err(|_| not_ours())?;
    let result = answer.pointer("/data/result").ok_or_else(not_ours)?;
    let number = |sample: Option<&Value>| sample.and_then(Value::as_str).and_then(|s| s.parse().ok()).ok_or_else(not_ours);
    let figure = |sample: Option<&Value>| number(sample).map(|figure: f64| (!figure.is_nan()).then_some(figure));
    match answer.pointer("/data/resultType").and_then(Value::as_str) {
        Some("scalar") => figure(result.get(1)),
        Some("vector") => match result.as_array().map(Vec::as_slice) {
            Some([]) => Ok(None),
            Some([one]) => figure(one.pointer("/value/1")),
            Some(several) => Err(format!("the query gives {} figures; make it one, as with sum() or max()", several.len())),
            None => Err(not_ours()),
        },
        _ => Err("the query gives no figure at one time; leave its range out".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_is_a_figure() {
        let said = |kind: &str, result: &str| {
            read(format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#).as_bytes())
        };
        assert_eq!(said("scalar", r#"[1.5,"7"]"#), Ok(Some(7.0)));
        assert_eq!(said("vector", r#"[{"metric":{},"value":[1.5,"0.25"]}]"#), Ok(Some(0.25)));
        assert_eq!(said("vector", "[]"), Ok(None));
        assert!(
            said("vector", r#"[{"metric":{},"value":[1,"1"]},{"metric":{"a":"b"},"value":[1,"2"]}]"#).unwrap_err().contains("2 figures")
        );
        assert!(said("matrix", "[]").is_err() && read(b"<html>").is_err());
        // A ratio over no traffic is no figure, and so no check that went well.
        assert_eq!(said("vector", r#"[{"metric":{},"value":[1,"NaN"]}]"#), Ok(None));
    }
}
