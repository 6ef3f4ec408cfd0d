//! Calendars at an address and in a file.

use std::path::PathBuf;

use super::{
    super::{Ical, IcalPlace, IcalSettings, Source},
    fixture, line,
    stand_in::{Say, StandIn, deadlines, http, patient, sunday},
};
use crate::domain::{Answer, Ask, Duty, FaultClass, Interval, Lane, Part, Seat, Text, Want};

fn settings(place: IcalPlace) -> IcalSettings {
    let (name, rotation) = ("rota".into(), Text::from("payments"));
    IcalSettings { name, place, deadlines: patient(), rotation, seat: Seat::Secondary, summary: None, time_zone: None }
}
async fn ask(settings: IcalSettings, want: Want) -> Part {
    let source = Ical::new(settings).unwrap();
    source.poll(&Ask { wants: vec![want] }, Lane::Short, &sunday).await.parts.remove(0)
}
fn spring() -> Want {
    Want::Duties { between: Interval { from: "2026-03-25T00:00:00Z".parse().unwrap(), to: "2026-04-01T00:00:00Z".parse().unwrap() } }
}
async fn web(server: &StandIn) -> Part {
    let mut at = server.url.clone();
    at.set_path("/private-s3cret/basic.ics");
    at.set_query(Some("token=s3cret"));
    ask(settings(IcalPlace::Web(Box::new(http(&at)))), spring()).await
}
fn duties(part: &Part) -> &[Duty] {
    match &part.outcome {
        Ok(Answer::Duties(duties)) => duties,
        other => panic!("{other:?}"),
    }
}
fn ics(body: &[u8]) -> Say {
    Say::answer("200 OK", "content-type: text/calendar\r\n", body)
}

#[tokio::test]
async fn a_feed_is_fetched_and_laid_out() {
    let server = StandIn::saying(ics(&fixture("described/ical/pagerduty.ics"))).await;
    let part = web(&server).await;
    let told: Vec<_> = duties(&part).iter().map(|d| (d.title.as_str(), d.seat)).collect();
    assert_eq!(told, [("On Call - Maya Lin - Payments", Seat::Secondary), ("On Call - Jon Ek - Payments", Seat::Secondary)]);
    assert_eq!((part.as_of, part.partial), (sunday(), None));
    let asked = server.asked().remove(0);
    assert_eq!(line(&asked), "GET /private-s3cret/basic.ics?token=s3cret");
    assert!(asked.contains("accept: text/calendar"), "{asked}");
}

#[tokio::test]
async fn a_feed_with_an_event_that_is_not_understood_is_not_whole() {
    let server = StandIn::saying(ics(&fixture("described/ical/outlook.ics"))).await;
    let part = web(&server).await;
    assert_eq!(duties(&part).len(), 6);
    assert_eq!(part.partial.unwrap().as_str(), "1 of 5 events not read: its time zone `Customized Time Zone` is not known");
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_the_address() {
    let cut = fixture("described/ical/google.ics");
    let cut = cut.get(..cut.len() / 2).unwrap();
    for (say, class, said) in [
        (ics(b"hello"), FaultClass::Malformed, "what came is no whole calendar"),
        (ics(cut), FaultClass::Malformed, "what came is no whole calendar"),
        (Say::answer("200 OK", "content-type: text/html\r\n", "<html>log in"), FaultClass::Malformed, "answered with a web page"),
        (Say::answer("404 Not Found", "", "no /private-s3cret/basic.ics?token=s3cret"), FaultClass::Rejected, "HTTP 404"),
        (Say::answer("429 Too Many Requests", "retry-after: 60\r\n", ""), FaultClass::RateLimited, "asks us to wait 60 s"),
        (Say::answer("302 Found", "location: http://elsewhere/\r\n", ""), FaultClass::Redirected, "redirects to elsewhere"),
        (Say::HangUp, FaultClass::Unreachable, "hung up"),
    ] {
        let server = StandIn::saying(say).await;
        let fault = web(&server).await.outcome.unwrap_err();
        let message = fault.message.to_string();
        assert!(fault.class == class && message.contains(said) && message.starts_with("rota: "), "{fault:?}");
        assert!(!message.contains("s3cret") && !message.contains("basic.ics"), "{message}");
    }
}

#[tokio::test]
async fn a_feed_without_end_is_cut_and_a_hung_one_given_up() {
    let endless =
        Say::Endless("HTTP/1.1 200 OK\r\ncontent-type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n".into(), b"X:Y\r\n".repeat(1_000));
    for (say, class) in [(endless, FaultClass::TooLarge), (Say::Nothing, FaultClass::Timeout)] {
        let server = StandIn::saying(say).await;
        let mut http = http(&server.url);
        http.max_bytes = 1 << 20;
        let settings = IcalSettings { deadlines: deadlines(), ..settings(IcalPlace::Web(Box::new(http))) };
        assert_eq!(ask(settings, spring()).await.outcome.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn a_file_is_read_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rota.ics");
    let source = Ical::new(settings(IcalPlace::File(path.clone()))).unwrap();
    let poll = async || source.poll(&Ask { wants: vec![spring()] }, Lane::Short, &sunday).await.parts.remove(0);
    let fault = poll().await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Unreachable);
    assert!(fault.message.as_str().ends_with("check `file`"), "{fault:?}");
    std::fs::write(&path, fixture("described/ical/google.ics")).unwrap();
    assert_eq!(duties(&poll().await).len(), 4);
    std::fs::write(&path, fixture("described/ical/pagerduty.ics")).unwrap();
    assert_eq!(duties(&poll().await).len(), 2);
    let folder = ask(settings(IcalPlace::File(PathBuf::from("/"))), spring()).await.outcome.unwrap_err();
    assert!(folder.message.as_str().contains("not a file"), "{folder:?}");
}

#[tokio::test]
async fn other_questions_are_not_for_a_calendar() {
    let part = ask(settings(IcalPlace::File(PathBuf::from("/nowhere"))), Want::Alerts).await;
    assert_eq!(part.outcome.unwrap_err().class, FaultClass::Rejected);
}
