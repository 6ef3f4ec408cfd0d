//! One cockpit polls; a late one writes nothing.

use burnwatch::{
    domain::{Lane, Reading},
    store::{Lease, Store, StoreError},
};

use super::support::{TTL, all_buckets, at, bucket, holder, store, take};

fn is_theirs(store: &Store, me: &str, now: i64, name: &str) -> bool {
    let lease = store.try_lease(&holder(me), at(now), TTL).unwrap();
    matches!(&lease, Lease::Theirs { name: by, ttl, pid: 7, .. } if by.as_str() == name && *ttl == TTL)
}

#[test]
fn the_lease_is_held_renewed_taken_over_and_given_back() {
    let (_folder, store) = store();
    assert_eq!(store.holder(at(0)).unwrap(), None);
    let first = take(&store, "ana", at(0));
    assert!(is_theirs(&store, "ben", 20, "ana"), "not a moment too soon");
    store.renew(&holder("ana"), first, at(15)).unwrap();
    assert!(is_theirs(&store, "ben", 35, "ana"));
    assert_eq!(take(&store, "ana", at(36)), first, "our own lease keeps its epoch");
    let second = take(&store, "ben", at(57));
    assert_eq!(second, first + 1, "expired");
    assert!(matches!(store.renew(&holder("ana"), first, at(58)), Err(StoreError::LateHolder { .. })));
    store.release(&holder("ana"), first).unwrap();
    assert!(is_theirs(&store, "ana", 58, "ben"), "a late holder cannot give away what is not theirs");
    store.release(&holder("ben"), second).unwrap();
    assert_eq!(store.holder(at(58)).unwrap(), None);
    assert_eq!(take(&store, "ana", at(58)), second + 1);
}

#[test]
fn a_clock_that_was_set_back_wedges_nobody() {
    let (_folder, store) = store();
    let first = take(&store, "ana", at(86_400));
    assert!(is_theirs(&store, "ben", 86_390, "ana"), "a little skew is no reason");
    assert_eq!(take(&store, "ben", at(0)), first + 1);
}

#[test]
fn two_who_find_it_free_do_not_both_get_it() {
    let (_folder, store) = store();
    let tries = ["ana", "ben", "cleo", "dan"].map(|name| {
        let store = Store::open(store.folder()).unwrap();
        std::thread::spawn(move || store.try_lease(&holder(name), at(0), TTL).unwrap())
    });
    let ours = tries.map(|t| t.join().unwrap()).into_iter().filter(|lease| matches!(lease, Lease::Ours { epoch: 1 }));
    assert_eq!(ours.count(), 1);
}

#[test]
fn a_holder_who_comes_back_late_writes_nothing() {
    let (_folder, store) = store();
    let late = take(&store, "ana", at(0));
    let slept = Store::open(store.folder()).unwrap();
    take(&store, "ben", at(30));
    let reading = Reading { source: "shop".into(), lane: Lane::Short, at: at(31), took_us: 1, skew_secs: None, parts: Vec::new() };
    let source = "shop".into();
    let writes = [
        slept.put_reading(late, &reading),
        slept.put_episodes(late, &[]),
        slept.commit_scrape(late, &source, &[bucket("cart", 0, 5, 1.0, 2.0)], &[], Some(&reading)),
        slept.compact(late, at(31), TTL),
        slept.renew(&holder("ana"), late, at(31)),
    ];
    for write in writes {
        assert!(matches!(write, Err(StoreError::LateHolder { .. })), "{write:?}");
    }
    assert_eq!((all_buckets(&store).len(), store.readings_since(0).unwrap().1.len()), (0, 0));
}

#[test]
fn who_gave_the_lease_back_writes_no_more() {
    let (_folder, store) = store();
    let epoch = take(&store, "ana", at(0));
    store.put_episodes(epoch, &[]).unwrap();
    store.release(&holder("ana"), epoch).unwrap();
    assert!(matches!(store.put_episodes(epoch, &[]), Err(StoreError::LateHolder { .. })));
}
