//! Finding out whose a key is, by how many keys there are.

use std::cell::LazyCell;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use sha2::{Digest, Sha256};
use tidegate::config::checked::{Consumer, Credential};
use tidegate::config::reader::Located;
use tidegate::identity::Identities;

fn key(number: usize) -> String {
    format!("key-of-consumer-{number}")
}

fn consumer(number: usize) -> Consumer {
    let kind = "key-auth".parse().unwrap();
    Consumer {
        username: Located { value: format!("consumer-{number}").parse().unwrap(), span: 0..0 },
        custom_id: None,
        groups: Vec::new(),
        plugins: Vec::new(),
        credentials: vec![Credential {
            kind,
            digest: Sha256::digest(key(number)).into(),
            fields: Vec::new(),
            span: 0..0,
        }],
    }
}

pub(super) fn identity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whose key");
    for count in [10, 1_000, 1_000_000] {
        let ready = LazyCell::new(|| {
            let consumers: Vec<Consumer> = (0..count).map(consumer).collect();
            let identities = Identities::new(&consumers);
            drop(consumers);
            let mut random = fastrand::Rng::with_seed(5);
            let asked: Vec<(usize, String)> = (0..65_536)
                .map(|_| {
                    let number = random.usize(0..count);
                    (number, key(number))
                })
                .collect();
            for (number, key) in &asked {
                let found = identities.find("key-auth", key.as_bytes());
                assert_eq!(found.map(|found| &*found.consumer.username), Some(&*format!("consumer-{number}")));
            }
            (identities, asked)
        });
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let (identities, asked) = &*ready;
            let mut next = asked.iter().cycle();
            bencher.iter(|| identities.find("key-auth", black_box(next.next().unwrap().1.as_bytes())).is_some());
        });
    }
    group.finish();
}
