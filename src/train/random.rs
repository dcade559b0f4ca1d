//! Random numbers that are a function of what they are for.
//!
//! A shared generator would give other numbers whenever threads or a resumed
//! run ask in another order. Here every use has its own stream, begun from the
//! seed, a purpose and a counter.

/// A stream of random numbers (SplitMix64: Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of number `index` for `purpose`.
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        // FNV-1a, then mixed, so that close names give unrelated streams
        let mut name = 0xcbf2_9ce4_8422_2325u64;
        for byte in purpose.bytes() {
            name = (name ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let seed = mixed(seed.wrapping_add(STEP));
        Self(mixed(
            mixed(seed ^ name).wrapping_add(index.wrapping_mul(STEP)),
        ))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// A number of [0, 1), in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit() as f32
    }

    /// A factor between `low` and `high`, as likely to halve as to double.
    pub fn factor(&mut self, low: f32, high: f32) -> f32 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// One of `0..count`, or 0 where there is none.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number of the standard normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.unit()).cos()) as f32
    }

    /// The numbers `0..count` in random order.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for end in (1..count).rev() {
            order.swap(end, self.below(end + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_unrelated() {
        let first = |purpose, index| Random::new(7, purpose, index).bits();
        assert_eq!(first("a", 1), first("a", 1));
        assert_ne!(first("a", 1), first("a", 2));
        assert_ne!(first("a", 1), first("b", 1));
        assert_ne!(Random::new(8, "a", 1).bits(), first("a", 1));
    }

    #[test]
    fn numbers_have_their_distribution() {
        let mut random = Random::new(1, "test", 0);
        let (mut sum, mut squares, mut units) = (0.0, 0.0, 0.0);
        for _ in 0..20_000 {
            let x = f64::from(random.normal());
            sum += x;
            squares += x * x;
            units += random.unit();
        }
        assert!((sum / 20_000.0).abs() < 0.03);
        assert!((squares / 20_000.0 - 1.0).abs() < 0.05);
        assert!((units / 20_000.0 - 0.5).abs() < 0.01);
        assert!((0..100).all(|_| random.below(3) < 3));
        assert!((0..100).all(|_| (0.5..=2.0).contains(&random.factor(0.5, 2.0))));
    }

    #[test]
    fn an_order_holds_every_number_once() {
        let mut order = Random::new(1, "order", 3).order(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
