//! Several who write: two stores on one etcd, and others who put into it what they like.

use super::{super::compact, *};
use crate::{
    Expect, Retention, WriteError,
    contract::{contents, delete, everything, next, put},
};

fn text(event: &Event<Text>) -> (Option<&str>, Option<&str>) {
    let before = event.previous.as_ref().map(|entry| entry.record.text.as_str());
    (before, event.current.as_ref().map(|entry| entry.record.text.as_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_store_wrote_another_reads_and_hears_at_once() {
    let place = Prefix::make().await;
    let (one, other) = (place.store().await, place.store().await);
    let mut watch = other.watch(Scope::Key("c/a".into()), other.revision().await.unwrap()).await.unwrap();
    let mut expect = Expect::Absent;
    for n in 0..200 {
        let (writer, reader) = if n % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let event = writer.write(put("c/a", &n.to_string(), expect)).await.unwrap();
        let read = reader.get("c/a").await.unwrap().map(|entry| (entry.record.text.clone(), entry.revision));
        assert_eq!(read, Some((n.to_string(), event.revision)));
        assert_eq!(next(&mut watch).await.unwrap().revision, event.revision);
        expect = Expect::Revision(event.revision);
    }
    assert_eq!(contents(&one, "c/").await, contents(&other, "c/").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_on_two_stores_none_is_lost() {
    const EACH: usize = 20;
    let place = Prefix::make().await;
    let stores = [Arc::new(place.store().await), Arc::new(place.store().await)];
    let writers = (0..6).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let entry = store.get("c/sum").await.unwrap();
                let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
                let sum: usize = entry.map_or(0, |entry| entry.record.text.parse().unwrap());
                match store.write(put("c/sum", &(sum + 1).to_string(), expect)).await {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(error, WriteError::Conflict),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(stores[0].get("c/sum").await.unwrap().unwrap().record.text, (6 * EACH).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_where_etcdctl_finds_them_and_as_they_were_given() {
    let place = Prefix::make().await;
    let store = Etcd::open(Config { plain_qualifiers: vec!["apps".into()], ..place.config() }).await.unwrap();
    let client = place.etcd.client().await;
    let written = store.write(put("daemonsets.apps/ns/name", "{\"a\":1}", Expect::Absent)).await.unwrap();
    let kv = client.get(&format!("{}/apps/daemonsets/ns/name", place.prefix)).await.unwrap();
    assert_eq!((&kv.value[..], kv.mod_revision), (&b"{\"a\":1}"[..], written.revision.cast_signed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_revision_come_together_and_in_order() {
    let place = Prefix::make().await;
    let store = place.store().await;
    let client = place.etcd.client().await;
    let at = |name: &str| format!("{}/c/{name}", place.prefix);
    let start = store.revision().await.unwrap();
    let mut watch = store.watch(Scope::Prefix("c/".into()), start).await.unwrap();
    let made = client.change(&[(&at("a"), Some(b"1")), (&at("b"), Some(b"2"))]).await.cast_unsigned();
    let gone = client.change(&[(&at("a"), None), (&at("b"), Some(b"3"))]).await.cast_unsigned();
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(next(&mut watch).await.unwrap());
    }
    let heard: Vec<_> = heard.iter().map(|event| (&*event.key, event.revision, text(event))).collect();
    let expected = [
        ("c/a", made, (None, Some("1"))),
        ("c/b", made, (None, Some("2"))),
        ("c/a", gone, (Some("1"), None)),
        ("c/b", gone, (Some("2"), Some("3"))),
    ];
    assert_eq!(heard, expected);
    let both = store.range(Range { at: Some(made), ..everything("c/") }).await.unwrap();
    assert_eq!(both.entries.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_record_is_counted_and_left_out() {
    let place = Prefix::make().await;
    let client = place.etcd.client().await;
    let at = |name: &str| format!("{}/{name}", place.prefix);
    client.change(&[(&at("c/bad"), Some(b"\xff")), (&at("loose"), Some(b"x")), (&at("c/good"), Some(b"1"))]).await;
    let store = place.store().await;
    assert_eq!((contents(&store, "c/").await.len(), store.unreadable()), (1, 1));
    let mut watch = store.watch(Scope::Prefix("c/".into()), store.revision().await.unwrap()).await.unwrap();
    // A record that becomes none is gone for all who look; nobody may write over what he has not seen.
    client.change(&[(&at("c/good"), Some(b"\xfe"))]).await;
    assert_eq!(text(&next(&mut watch).await.unwrap()), (Some("1"), None));
    assert_eq!((store.get("c/good").await.unwrap().is_none(), store.unreadable()), (true, 2));
    assert_eq!(store.write(put("c/good", "2", Expect::Absent)).await.map(drop), Err(WriteError::Conflict));
    client.change(&[(&at("c/good"), Some(b"3")), (&at("c/bad"), None)]).await;
    assert_eq!(text(&next(&mut watch).await.unwrap()), (None, Some("3")));
    assert_eq!((contents(&store, "c/").await.len(), store.unreadable()), (1, 0));
    let entry = store.get("c/good").await.unwrap().unwrap();
    store.write(delete("c/good", entry.revision)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_fresh_though_others_write_elsewhere() {
    let place = Prefix::make().await;
    let store = place.store().await;
    let client = place.etcd.client().await;
    for n in 0..20 {
        let elsewhere = client.change(&[("/elsewhere/x", Some(n.to_string().as_bytes()))]).await.cast_unsigned();
        assert!(store.revision().await.unwrap() >= elsewhere);
    }
    let seen = store.revision().await.unwrap();
    assert_eq!(store.reached(seen).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_memory_has_forgotten_is_read_from_etcd() {
    // Nobody else compacts this one.
    let place = Prefix { etcd: Arc::new(Process::own().await), prefix: "/registry".into() };
    let retention = Retention { age: Duration::ZERO, least: 0, most: 0 };
    let store = Etcd::<Text>::open(Config { retention, ..place.config() }).await.unwrap();
    for n in 0..700 {
        store.write(put(&format!("c/{n:03}"), if n % 2 == 0 { "t@1" } else { "t@2" }, Expect::Absent)).await.unwrap();
    }
    let at = Some(store.revision().await.unwrap());
    for n in 0..4 {
        let entry = store.get(&format!("c/{n:03}")).await.unwrap().unwrap();
        store.write(delete(&entry.key, entry.revision)).await.unwrap();
    }
    assert_eq!(contents(&store, "c/").await.len(), 696);
    let all = store.range(Range { at, ..everything("c/") }).await.unwrap();
    assert_eq!((all.entries.len(), all.next.is_none(), all.remaining), (700, true, Some(0)));
    let first = store.range(Range { at, limit: 3, ..everything("c/") }).await.unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref(), first.remaining), (3, Some("c/003"), Some(697)));
    let second = store.range(Range { at, limit: 3, start: "c/003", ..everything("c/") }).await.unwrap();
    assert_eq!((&*second.entries[0].key, second.remaining), ("c/003", Some(694)));
    let by_term = store.range(Range { at, limit: 3, term: Some("2"), ..everything("c/") }).await.unwrap();
    let keys: Vec<_> = by_term.entries.iter().map(|entry| &*entry.key).collect();
    assert_eq!((keys, by_term.next.as_deref(), by_term.remaining), (vec!["c/001", "c/003", "c/005"], Some("c/007"), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_compacts_and_only_what_was_there_at_the_last_time() {
    let etcd = Arc::new(Process::own().await);
    let place = Prefix { etcd, prefix: "/registry".into() };
    let (one, other) = (place.store().await, place.store().await);
    let first = one.write(put("c/a", "1", Expect::Absent)).await.unwrap().revision;
    let known = compact::turn(&one.shared, compact::Known::default()).await.unwrap();
    let by_other = compact::turn(&other.shared, compact::Known::default()).await.unwrap();
    assert_eq!((known.version, by_other.version), (1, 1));
    let second = one.write(put("c/a", "2", Expect::Revision(first))).await.unwrap().revision;
    let known = compact::turn(&one.shared, known).await.unwrap();
    let by_other = compact::turn(&other.shared, by_other).await.unwrap();
    assert_eq!((known.version, by_other.version), (2, 2));
    // Whoever starts now finds nothing older than the first turn in etcd.
    let retention = Retention { age: Duration::ZERO, least: 0, most: 0 };
    let late = Etcd::<Text>::open(Config { retention, ..place.config() }).await.unwrap();
    let at =
        async |at| late.range(Range { at: Some(at), ..everything("c/") }).await.map(|page| page.entries[0].record.text.clone());
    assert!(matches!(at(first).await, Err(ReadError::Compacted { .. })));
    assert_eq!(at(second).await, Ok("2".into()));
    assert_eq!(at(second - 1).await, Ok("1".into()));
}
