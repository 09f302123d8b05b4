//! Text in the data of many events: the search that a filter and a store share, so that both mean the same.

use memchr::{memchr_iter, memchr2_iter};

/// The bytes that texts and JSON are mostly made of, the commonest first; what is not here is rare.
const COMMON: &[u8] = b" \"etaoinsrlhdcu,:mpfgwyb0v1/._-{}\\2k3[]45869=7;()x'jqz";
/// How rare each byte is.
const RARITY: [u8; 256] = rarity();

const fn rarity() -> [u8; 256] {
    let mut rarity = [u8::MAX; 256];
    let mut place = 0;
    while place < COMMON.len() {
        rarity[COMMON[place] as usize] = place as u8;
        rarity[COMMON[place].to_ascii_uppercase() as usize] = place as u8;
        place += 1;
    }
    rarity
}

/// A text to look for in data, ASCII case ignored; made once, it looks through many pieces of data fast.
///
/// ```
/// use factlog::TextSearch;
/// assert!(TextSearch::new("LINKS").finds(br#"{"title":"Check links"}"#));
/// ```
#[derive(Debug, Clone)]
pub struct TextSearch {
    text: Box<[u8]>,
    /// Where the byte of the text stands that is rarest in data: only where data has it can the text be.
    rarest: usize,
}

impl TextSearch {
    /// Looks for this text; the empty one is everywhere.
    pub fn new(text: &str) -> Self {
        let text: Box<[u8]> = text.as_bytes().into();
        let rarest = (0..text.len()).max_by_key(|&index| RARITY[usize::from(text[index])]);
        Self { rarest: rarest.unwrap_or(0), text }
    }

    /// Whether the data has the text.
    pub fn finds(&self, data: &[u8]) -> bool {
        let Some(&rarest) = self.text.get(self.rarest) else { return true };
        let is_here = |index: usize| {
            let begin = index.checked_sub(self.rarest);
            let found = begin.and_then(|begin| data.get(begin..begin + self.text.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(&self.text))
        };
        let (lower, upper) = (rarest.to_ascii_lowercase(), rarest.to_ascii_uppercase());
        if lower == upper {
            memchr_iter(lower, data).any(is_here)
        } else {
            memchr2_iter(lower, upper, data).any(is_here)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_empty_text_is_everywhere_and_a_longer_one_than_the_data_nowhere() {
        assert!(TextSearch::new("").finds(b""));
        assert!(!TextSearch::new("ab").finds(b"a"));
        assert!(!TextSearch::new("ab").finds(b""));
    }

    #[test]
    fn only_ascii_has_one_meaning_in_both_cases() {
        let data = "{\"t\":\"Größe 7\"}".as_bytes();
        assert!(TextSearch::new("GRöße").finds(data));
        assert!(!TextSearch::new("GRÖSSE").finds(data));
        // `[` and `{` differ as `a` and `A` do, and are not the same.
        assert!(!TextSearch::new("[\"t\"").finds(data));
    }

    proptest! {
        #[test]
        fn text_is_found_as_by_lower_casing_both(data in "[a-cA-Cß@`\"]{0,12}", text in "[a-cA-Cß@`\"]{1,3}") {
            let lower = data.to_ascii_lowercase().contains(&text.to_ascii_lowercase());
            prop_assert_eq!(TextSearch::new(&text).finds(data.as_bytes()), lower);
        }
    }
}
