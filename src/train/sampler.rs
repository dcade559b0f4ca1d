//! Which photo is shown when.

use super::Random;

/// 2⁶⁴ divided by the golden ratio: multiples of it, without their carry, are
/// spread over the range more evenly than random numbers, so that nearly every
/// batch holds each set in its share.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    pub set: usize,
    pub photo: usize,
    /// Number of the sample since the beginning of the training.
    pub number: u64,
}

/// Draws sets by their weights, and the photos of each set in random order,
/// all of them before one comes again.
pub(super) struct Sampler {
    seed: u64,
    sets: Vec<Drawn>,
    offset: u64,
    next: u64,
}

struct Drawn {
    /// Sum of the shares up to this set's.
    up_to: f64,
    photos: usize,
    count: u64,
    /// The epoch, and the order of the photos in it.
    order: Option<(u64, Vec<usize>)>,
}

impl Sampler {
    /// `sets` gives the weight and the number of photos of each; the first draw
    /// is number `next`.
    pub fn new(seed: u64, sets: impl IntoIterator<Item = (f32, usize)>, next: u64) -> Self {
        let mut sum = 0.0;
        let sets = sets.into_iter().map(|(weight, photos)| {
            sum += f64::from(weight);
            Drawn {
                up_to: sum,
                photos,
                count: 0,
                order: None,
            }
        });
        let mut sets: Vec<Drawn> = sets.collect();
        sets.iter_mut().for_each(|set| set.up_to /= sum);
        let mut sampler = Self {
            seed,
            sets,
            offset: Random::new(seed, "sets", 0).bits(),
            next: 0,
        };
        while sampler.next < next {
            sampler.set();
        }
        sampler
    }

    /// The set of the next sample.
    fn set(&mut self) -> usize {
        let at = self.offset.wrapping_add(self.next.wrapping_mul(GOLDEN));
        let at = (at >> 11) as f64 / (1u64 << 53) as f64;
        let set = self.sets.iter().position(|set| at < set.up_to);
        let set = set.unwrap_or(self.sets.len() - 1);
        self.next += 1;
        self.sets[set].count += 1;
        set
    }

    pub fn draw(&mut self) -> Draw {
        let number = self.next;
        let set = self.set();
        let seed = self.seed;
        let drawn = &mut self.sets[set];
        let (count, photos) = (drawn.count - 1, drawn.photos as u64);
        let (epoch, place) = (count / photos, (count % photos) as usize);
        let order = match drawn.order.take() {
            Some((of, order)) if of == epoch => order,
            _ => {
                let purpose = format!("order of set {set}");
                Random::new(seed, &purpose, epoch).order(drawn.photos)
            }
        };
        let photo = order[place];
        drawn.order = Some((epoch, order));
        Draw { set, photo, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_by_weight_and_photos_without_repetition() {
        let mut sampler = Sampler::new(1, [(1.0, 10), (3.0, 7)], 0);
        let draws: Vec<Draw> = (0..400).map(|_| sampler.draw()).collect();
        let of_first: Vec<usize> = draws
            .iter()
            .filter(|d| d.set == 0)
            .map(|d| d.photo)
            .collect();
        assert!((98..=102).contains(&of_first.len()));
        for epoch in of_first.chunks_exact(10) {
            let mut photos = epoch.to_vec();
            photos.sort_unstable();
            assert_eq!(photos, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(of_first[..10], of_first[10..20]);
        for batch in draws.chunks_exact(8) {
            let count = batch.iter().filter(|d| d.set == 0).count();
            assert!((1..=3).contains(&count));
        }
    }

    #[test]
    fn going_on_later_gives_the_same() {
        let sets = [(1.0, 3), (2.0, 5)];
        let mut whole = Sampler::new(9, sets, 0);
        let draws: Vec<Draw> = (0..50).map(|_| whole.draw()).collect();
        let mut rest = Sampler::new(9, sets, 20);
        assert!((20..50).all(|at| rest.draw() == draws[at]));
    }
}
