//! How long answers took is kept for a month, exactly and in little room.

use burnwatch::domain::{Labels, Window, quantiles};
use chrono::TimeDelta;
use hdrhistogram::Histogram;

use super::support::{at, store, take};

fn labels(target: &str) -> Labels {
    [("service", "shop"), ("target", target)].into_iter().collect()
}

/// Some tens of milliseconds, now and then much more; no two seconds alike.
fn micros(second: u64) -> u64 {
    let noise = second.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11;
    (12_000 + noise % 61_000) * if second.is_multiple_of(97) { 40 } else { 1 }
}

#[test]
fn a_month_of_a_probe_a_second_takes_little_room() {
    let (folder, store) = store();
    let (start, month) = (at(0), 30 * 86_400_u64);
    let (source, one) = ("outside".into(), labels("https://shop/"));
    let epoch = take(&store, "ana", start);
    // Written as a cockpit would, but in fewer pieces: a minute grows a few times.
    for third in (0..month).step_by(20) {
        let answers = (third..third + 20).map(|second| (&one, micros(second)));
        store.add_latencies(epoch, &source, start + TimeDelta::seconds(third as i64), answers).unwrap();
    }
    let now = start + TimeDelta::seconds(month as i64 - 1);
    let all = store.latencies(&source, start - TimeDelta::days(1), |_| true).unwrap();
    assert_eq!(all.len(), 43_200);
    let found = quantiles(&all, &[Window::minutes(5), Window::days(1), Window::days(30)], now);
    let counts: Vec<u64> = found.iter().map(|(_, q)| q.count).collect();
    assert_eq!(counts, [360, 86_460, month], "a minute belongs to the window that it reaches into");
    // Exactly what one histogram says that saw each answer.
    for (window, kept) in found {
        let mut whole = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        (month - kept.count..month).for_each(|second| whole.record(micros(second)).unwrap());
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|quantile| whole.value_at_quantile(quantile));
        assert_eq!((kept.p50, kept.p90, kept.p99), (p50, p90, p99), "{window:?}");
    }
    store.compact(epoch, now, std::time::Duration::from_hours(24 * 100)).unwrap();
    let files = std::fs::read_dir(folder.path().join("store")).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    let bytes: u64 = files.sum();
    eprintln!("a month of a probe a second: {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    assert!(bytes < 50 << 20, "{bytes} bytes");
}

#[test]
fn what_is_older_than_a_month_is_forgotten_and_targets_are_told_apart() {
    let (_folder, store) = store();
    let (source, one, other) = ("outside".into(), labels("a"), labels("b"));
    let epoch = take(&store, "ana", at(0));
    store.add_latencies(epoch, &source, at(0), [(&one, 10_000), (&one, 30_000), (&other, 9)].into_iter()).unwrap();
    store.add_latencies(epoch, &source, at(40 * 86_400), [(&one, 20_000)].into_iter()).unwrap();
    let minutes = |name: &str| store.latencies(&source, at(-60), |l| l.get("target").unwrap().raw() == name).unwrap().len();
    assert_eq!((minutes("a"), minutes("b")), (2, 1));
    store.compact(epoch, at(40 * 86_400), std::time::Duration::from_hours(24 * 100)).unwrap();
    assert_eq!((minutes("a"), minutes("b")), (1, 0));
    assert_eq!(store.latencies(&"elsewhere".into(), at(-60), |_| true).unwrap(), []);
}
