use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::*;

const SPACE: Space = Space(1);
const LONG: Duration = Duration::from_secs(60);

fn places() -> Arc<Places> {
    Arc::default()
}

fn held(places: &Arc<Places>, max: u32) -> Option<Place> {
    match places.enter(SPACE, "k", max, 0).unwrap() {
        Entry::Held(place) => Some(place),
        Entry::Queued(_) => panic!("nobody may wait"),
        Entry::Full => None,
    }
}

fn turn(places: &Arc<Places>, max: u32, queue: u32) -> Option<Turn> {
    match places.enter(SPACE, "k", max, queue).unwrap() {
        Entry::Held(_) => panic!("there is a place"),
        Entry::Queued(turn) => Some(turn),
        Entry::Full => None,
    }
}

/// What a turn has come to so far.
fn polled(turn: &mut (impl Future<Output = Option<Place>> + Unpin)) -> Poll<Option<Place>> {
    std::pin::Pin::new(turn).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn there_are_as_many_places_as_asked_for_under_each_key() {
    let places = places();
    let taken: Vec<Place> = (0..3).map_while(|_| held(&places, 3)).collect();
    assert_eq!((taken.len(), held(&places, 3).is_none(), held(&places, 0).is_none()), (3, true, true));
    assert!(matches!(places.enter(SPACE, "other", 1, 0), Ok(Entry::Held(_))));
    assert!(matches!(places.enter(Space(2), "k", 1, 0), Ok(Entry::Held(_))));
    assert_eq!(places.keys(), 1, "what nobody holds is forgotten");
    drop(taken);
    assert_eq!(places.keys(), 0);
}

#[tokio::test]
async fn who_has_waited_longest_is_next_and_nobody_overtakes() {
    let places = places();
    let first = held(&places, 1).unwrap();
    let [mut second, mut third] = [(); 2].map(|()| Box::pin(turn(&places, 1, 2).unwrap().place(LONG)));
    assert!(turn(&places, 1, 2).is_none(), "two wait already");
    assert!(held(&places, 2).is_none(), "there is a place, but others wait");
    drop(first);
    assert!(polled(&mut third).is_pending());
    let Poll::Ready(Some(second)) = polled(&mut second) else { panic!("it is its turn") };
    assert!(held(&places, 1).is_none());
    drop(second);
    assert!(matches!(polled(&mut third), Poll::Ready(Some(_))));
}

#[tokio::test]
async fn who_leaves_the_queue_makes_room_and_takes_no_place_along() {
    let places = places();
    let first = held(&places, 1).unwrap();
    let (impatient, leaving, second) = (turn(&places, 1, 9), turn(&places, 1, 9), turn(&places, 1, 9));
    assert!(impatient.unwrap().place(Duration::from_millis(1)).await.is_none());
    drop(leaving);
    drop(first);
    // It is granted by now, and goes away without having looked.
    drop(second);
    assert_eq!(places.keys(), 0);
    drop(held(&places, 1).unwrap());
}

#[tokio::test]
async fn a_place_that_comes_in_the_last_moment_is_taken() {
    let places = places();
    let first = held(&places, 1).unwrap();
    let second = turn(&places, 1, 1).unwrap();
    let Turn { id, number, .. } = second;
    drop(first);
    assert_eq!(places.leave(id, number), Left::WithPlace);
    assert!(second.place(Duration::ZERO).await.is_some());
    assert_eq!(places.keys(), 0);
}

#[tokio::test]
async fn a_maximum_that_has_changed_holds_for_who_comes_with_it() {
    let places = places();
    let (one, two) = (held(&places, 2).unwrap(), held(&places, 2).unwrap());
    let (mut narrow, mut wide) =
        (Box::pin(turn(&places, 1, 9).unwrap().place(LONG)), Box::pin(turn(&places, 2, 9).unwrap().place(LONG)));
    drop(one);
    assert!(polled(&mut narrow).is_pending(), "one is held, which is all that it wants there to be");
    assert!(polled(&mut wide).is_pending(), "it does not overtake");
    drop(narrow);
    assert!(matches!(polled(&mut wide), Poll::Ready(Some(_))));
    drop(two);
}

#[test]
fn keys_and_queues_have_bounds() {
    let places = places();
    let long = "k".repeat(limits::PLACE_KEY_BYTES + 1);
    assert_eq!(places.enter(SPACE, &long, 1, 0).err(), Some(PlaceError::KeyTooLong(long.len())));
    let queue = limits::PLACE_QUEUE + 1;
    assert_eq!(places.enter(SPACE, "k", 1, queue).err(), Some(PlaceError::Queue(queue)));
}

/// What an exchange does with its place, in milliseconds.
#[derive(Debug, Clone)]
struct Visit {
    key: u8,
    waits: u64,
    stays: u64,
    /// It goes away after this, wherever it is then.
    leaves: Option<u64>,
}

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let visit = (0..2_u8, 0..8_u64, 0..3_u64, prop::option::of(0..4_u64))
        .prop_map(|(key, waits, stays, leaves)| Visit { key, waits, stays, leaves });
    prop::collection::vec(visit, 1..60)
}

/// What threads do together, and find.
struct Hall {
    places: Arc<Places>,
    inside: [AtomicU32; 2],
    most: u32,
}

impl Hall {
    async fn visit(&self, visit: &Visit, queue: u32) {
        let key = visit.key.to_string();
        let stay = async {
            let place = match self.places.enter(SPACE, &key, self.most, queue).unwrap() {
                Entry::Held(place) => Some(place),
                Entry::Queued(turn) => turn.place(Duration::from_millis(visit.waits)).await,
                Entry::Full => None,
            };
            let Some(_place) = place else { return };
            let inside = Inside::enter(&self.inside[usize::from(visit.key)], self.most);
            tokio::time::sleep(Duration::from_millis(visit.stays)).await;
            drop(inside);
        };
        match visit.leaves {
            Some(leaves) => drop(timeout(Duration::from_millis(leaves), stay).await),
            None => stay.await,
        }
    }
}

struct Inside<'i>(&'i AtomicU32);

impl<'i> Inside<'i> {
    fn enter(inside: &'i AtomicU32, most: u32) -> Self {
        assert!(inside.fetch_add(1, Ordering::SeqCst) < most, "there are more inside than there are places");
        Self(inside)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn however_they_come_and_go_on_whichever_thread_there_are_never_too_many_and_all_places_come_back(
        threads in prop::collection::vec(visits(), 2..4), most in 1..4_u32, queue in 0..30_u32,
    ) {
        let hall = Arc::new(Hall { places: places(), inside: Default::default(), most });
        let running: Vec<_> = threads.into_iter().map(|visits| {
            let hall = Arc::clone(&hall);
            thread::spawn(move || {
                Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
                    let mut tasks = JoinSet::new();
                    for visit in visits {
                        let hall = Arc::clone(&hall);
                        tasks.spawn(async move { hall.visit(&visit, queue).await });
                    }
                    tasks.join_all().await;
                });
            })
        }).collect();
        for thread in running {
            thread.join().unwrap();
        }
        prop_assert_eq!(hall.places.keys(), 0);
    }
}
