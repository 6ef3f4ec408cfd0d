//! The output of steps: the beginning and the end of whatever was written, exactly, in a file that does not grow.

use std::{fs, os::unix::fs::PermissionsExt};

use burnwatch::{
    domain::ActId,
    store::{OUTPUT_HEAD, OUTPUT_TAIL, Store},
};

use super::support::store;

/// Bytes that differ from place to place.
fn byte(at: usize) -> u8 {
    (at % 251) as u8 ^ (at / 65_521) as u8
}

fn bytes(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(byte).collect()
}

#[test]
fn the_beginning_and_the_end_are_kept_exactly_whatever_the_pieces() {
    let (_folder, store) = store();
    let most = OUTPUT_HEAD + OUTPUT_TAIL;
    for (n, piece) in [1_021, 65_536, 65_537, 200_000, 700_001].into_iter().enumerate() {
        let key = ActId::new(&format!("k{n}"));
        let mut spool = store.make_spool(&key).unwrap();
        let mut upto = 0;
        while upto < 3 * most {
            spool.write(&bytes(upto, upto + piece)).unwrap();
            upto += piece;
            let read = store.spooled(&key).unwrap().unwrap();
            let head = upto.min(OUTPUT_HEAD);
            let tail = (upto - head).min(OUTPUT_TAIL);
            assert_eq!((read.bytes, read.gap), (upto as u64, (upto - head - tail) as u64), "pieces of {piece}");
            assert!(read.head == bytes(0, head) && read.tail == bytes(upto - tail, upto), "pieces of {piece}, {upto} bytes");
            assert_eq!(read.end().len(), if read.gap > 0 { tail } else { upto });
        }
        assert_eq!(store.spooled_bytes(&key), Some(upto as u64));
        let file = fs::metadata(store.folder().join(format!("runs/{key}.out"))).unwrap();
        assert_eq!((file.len(), file.permissions().mode() & 0o777), ((most + (64 << 10)) as u64 + 64, 0o600));
    }
}

#[test]
fn who_reads_while_it_is_written_reads_nothing_wrong() {
    let (folder, store) = store();
    let key = ActId::new("k1");
    let mut spool = store.make_spool(&key).unwrap();
    let place = folder.path().join("store");
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut upto = 0;
            while upto < 40 << 20 {
                let piece = 1 + upto % 60_000;
                spool.write(&bytes(upto, upto + piece)).unwrap();
                upto += piece;
            }
        });
        let reader = Store::open(&place).unwrap();
        while !writer.is_finished() {
            let read = reader.spooled(&key).unwrap().unwrap();
            let (bytes_, tail) = (usize::try_from(read.bytes).unwrap(), read.tail.len());
            assert_eq!(read.head.len() + usize::try_from(read.gap).unwrap() + tail, bytes_);
            // What was written over while it was read is left out, and never more than that.
            assert!(read.head == bytes(0, read.head.len()) && read.tail == bytes(bytes_ - tail, bytes_), "at {bytes_} bytes");
        }
    });
}

#[test]
fn an_attempt_is_written_once_and_the_oldest_are_forgotten() {
    let (_folder, store) = store();
    let first = ActId::new("a0");
    drop(store.make_spool(&first).unwrap());
    assert!(store.make_spool(&first).unwrap_err().to_string().contains("is there already"));
    for bad in ["../journal", "", "a/b", "a.b"] {
        assert!(store.make_spool(&ActId::new(bad)).is_err(), "{bad}");
    }
    for n in 1..=400 {
        drop(store.make_spool(&ActId::new(&format!("a{n}"))).unwrap());
    }
    assert_eq!(fs::read_dir(store.folder().join("runs")).unwrap().count(), 400);
    assert_eq!(store.spooled(&ActId::new("a400")).unwrap().unwrap().bytes, 0);
    assert_eq!(store.spooled(&ActId::new("nobody")).unwrap(), None);
}
