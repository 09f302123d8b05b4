//! Whether an index can have a term at all, told without looking for it: most ids are new, and are in none.
//!
//! Follows "Cache-, Hash- and Space-Efficient Bloom Filters" (Putze, Sanders, Singler, 2007), with the blocks of 256 bits
//! that Parquet uses: ten bits a term let about one in a hundred through that is not there.

/// Bits for a term.
const TERM_BITS: usize = 10;
/// Words of a block; each holds one bit of a term.
const BLOCK_WORDS: usize = 8;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = BLOCK_WORDS * 4;
/// Odd numbers, one for each word.
const SALTS: [u32; BLOCK_WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A filter of some terms.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<[u32; BLOCK_WORDS]>);

impl Filter {
    /// Room for so many terms.
    pub(super) fn of(terms: usize) -> Self {
        Self(vec![[0; BLOCK_WORDS]; (terms * TERM_BITS).div_ceil(BLOCK_BYTES * 8).max(1)])
    }

    fn block(&self, term: u64) -> usize {
        (((term >> 32) * self.0.len() as u64) >> 32) as usize
    }

    fn bits(term: u64) -> [u32; BLOCK_WORDS] {
        SALTS.map(|salt| 1 << ((term as u32).wrapping_mul(salt) >> 27))
    }

    pub(super) fn add(&mut self, term: u64) {
        let block = self.block(term);
        for (word, bit) in self.0[block].iter_mut().zip(Self::bits(term)) {
            *word |= bit;
        }
    }

    /// Whether a term may be there; `false` is certain.
    pub(super) fn may_have(&self, term: u64) -> bool {
        let block = self.0.get(self.block(term));
        block.is_none_or(|block| block.iter().zip(Self::bits(term)).all(|(word, bit)| word & bit != 0))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let block = |bytes: &[u8]| std::array::from_fn(|at| word(&bytes[at * 4..at * 4 + 4]));
        Self(bytes.chunks_exact(BLOCK_BYTES).map(block).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_let_through_and_little_else() {
        let mut random = fastrand::Rng::with_seed(7);
        let terms: Vec<u64> = (0..10_000).map(|_| random.u64(..)).collect();
        let mut filter = Filter::of(terms.len());
        terms.iter().for_each(|term| filter.add(*term));
        let again = Filter::from_bytes(&filter.to_bytes());
        assert!(terms.iter().all(|term| again.may_have(*term)));
        let others = (0..10_000).filter(|_| again.may_have(random.u64(..))).count();
        assert!(others < 500, "{others} of 10,000 that are not there");
    }
}
