//! Whether a value looks like a secret.

use super::bytes::{SECRET_BYTES_MAX, contains_word, is_base64};
use super::name::Name;

/// Bytes that a secret known by its name has at least.
pub(super) const BYTES_MIN: usize = 12;
/// Bits per byte that it has at least: twelve different letters have 3.6, a word repeated has under 3.
const ENTROPY_MIN: f64 = 3.0;
/// How long letters of one class stand together, on average: longer in names of programs, shorter in what dice made.
const NAME_RUN_MIN: f64 = 2.6;
const DICE_RUN_MAX: f64 = 2.0;
/// Beginnings of values that name something else: hashes, resources, ids of messages and calls.
const NOT_SECRET: &[&[u8]] = &[
    b"sha1-",
    b"sha256-",
    b"sha384-",
    b"sha512-",
    b"sha1:",
    b"sha256:",
    b"sha512:",
    b"md5:",
    b"data:",
    b"arn:",
    b"urn:",
    b"toolu_",
    b"msg_",
    b"req_",
    b"call_",
    b"chatcmpl-",
    b"pk_live_",
    b"pk_test_",
    b"projects/",
    b"op:",
    b"vault:",
    b"ssm:",
];

/// What a telling name is followed by.
pub(super) struct Value<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_quoted: bool,
}

/// Letters of an AWS secret access key.
const AWS_SECRET_BYTES: usize = 40;

impl Value<'_> {
    /// The kind of secret that a value is under a name; none for a value that is none.
    pub(super) fn kind(&self, name: &Name) -> Option<&'static str> {
        let bytes = self.bytes;
        let fits =
            (BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if !fits || (name.needs_quotes() && !self.is_quoted) || is_placeholder(bytes) {
            return None;
        }
        if bytes.len() == AWS_SECRET_BYTES
            && name.is_of_aws_secret()
            && bytes.iter().all(|byte| is_base64(*byte))
        {
            return Some("aws-secret-access-key");
        }
        let is_other = is_uuid(bytes)
            || NOT_SECRET.iter().any(|opening| bytes.starts_with(opening))
            || is_path_or_version(bytes)
            || self.is_code()
            || (bytes.iter().all(u8::is_ascii_hexdigit) && !(bytes.len() >= 32 && name.may_be_hex()));
        (!is_other && self.is_random()).then_some("secret")
    }

    /// Whether it has the mix of letters that words and names do not have.
    fn is_random(&self) -> bool {
        const SPECIAL: &[u8] = b"!@#$%^&*~?";
        let bytes = self.bytes;
        let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
        let digits = count(u8::is_ascii_digit);
        let letters = count(u8::is_ascii_alphabetic);
        let specials = bytes.iter().filter(|byte| SPECIAL.contains(byte)).count();
        let is_cased = count(u8::is_ascii_uppercase) > 0 && count(u8::is_ascii_lowercase) > 0;
        let is_dense = letters > 0 && digits > 0 && has_random_part(bytes, 8);
        let is_password = specials > 0 && letters > 0 && (digits > 0 || is_cased);
        // Names of types are shuffled now and then: `KspGetTokenFn`.
        let may_be_letters = self.is_quoted || bytes.len() >= 24;
        let is_letters = may_be_letters && is_shuffled(bytes, DICE_RUN_MAX);
        let is_text = specials == 0 && digits < 2 && mean_run(bytes) >= NAME_RUN_MIN;
        (is_dense || is_password || is_letters) && !is_text && entropy(bytes) >= ENTROPY_MIN
    }

    fn is_code(&self) -> bool {
        let bytes = self.bytes;
        let has_pair = |open: u8, close: u8| {
            bytes.iter().position(|byte| *byte == open).is_some_and(|at| bytes[at..].contains(&close))
        };
        let is_name = |part: &[u8]| {
            part.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
                && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let is_chain = bytes.contains(&b'.') && bytes.split(|byte| *byte == b'.').all(is_name);
        has_pair(b'(', b')')
            || has_pair(b'{', b'}')
            || has_pair(b'[', b']')
            || has_pair(b'<', b'>')
            || bytes.contains(&b'\\')
            || bytes.windows(2).any(|pair| pair == b"::" || pair == b"->" || pair == b"${")
            || (!self.is_quoted && (is_chain || expands(bytes) || is_number(bytes) || is_long_name(bytes)))
    }
}

/// Whether a shell would put something else into a value: `prefix-$NAME`.
fn expands(bytes: &[u8]) -> bool {
    let of_name = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    bytes.windows(3).any(|three| matches!(three, [b'$', a, b] if of_name(*a) && of_name(*b)))
}

/// Whether a value is a number of a program, with its type: `0x8031006C_u32`, `2151809297u32`.
fn is_number(bytes: &[u8]) -> bool {
    const TYPE_BYTES_MAX: usize = 6;
    let number = &bytes[..bytes.len().saturating_sub(TYPE_BYTES_MAX)];
    bytes.starts_with(b"0x")
        || number.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether a value is words joined by capitals, as names of types are.
fn is_long_name(bytes: &[u8]) -> bool {
    let is_word = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    is_word
        && bytes.len() >= 20
        && bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && mean_run(bytes) >= NAME_RUN_MIN
}

/// Whether a value stands for another one that is not there.
pub(super) fn is_placeholder(bytes: &[u8]) -> bool {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_slot = match bytes {
        [b'<' | b'{' | b'[' | b'(', ..]
        | [b'*', b'*', ..]
        | [b'%', .., b'%']
        | [b'%', b'(', ..]
        | [b'$', b'{' | b'(', ..] => true,
        // A variable, or what a password was hashed to: `$2b$12$...`.
        [b'$', name @ ..] => {
            let end = name.iter().position(|byte| !of_name(byte)).unwrap_or(name.len());
            matches!(name.get(end), None | Some(b'$'))
        }
        [b'%', ..] => bytes.len() == 2,
        _ => false,
    };
    is_slot || speaks_of_none(bytes) || (bytes.len() > 2 && bytes.iter().all(|byte| *byte == bytes[0]))
}

/// Bytes of a value in which a word means what it says: in longer ones, chance writes words.
const WORDED_BYTES_MAX: usize = 128;

fn speaks_of_none(bytes: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"xxxx",
        b"****",
        b"....",
        b"your",
        b"example",
        b"changeme",
        b"change_me",
        b"change-me",
        b"placeholder",
        b"redacted",
        b"dummy",
        b"insert",
        b"replace",
    ];
    bytes.len() <= WORDED_BYTES_MAX && WORDS.iter().any(|word| contains_word(bytes, word))
}

/// Whether letters and digits both occur.
pub(super) fn is_mixed(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_digit) && bytes.iter().any(u8::is_ascii_alphabetic)
}

/// Whether so long a part between hyphens, dots and the like has letters and digits.
pub(super) fn has_random_part(bytes: &[u8], least: usize) -> bool {
    bytes.split(|byte| !byte.is_ascii_alphanumeric()).any(|part| part.len() >= least && is_mixed(part))
}

fn is_uuid(bytes: &[u8]) -> bool {
    let mut groups = bytes.split(|byte| *byte == b'-');
    let lengths = [8, 4, 4, 4, 12];
    lengths.iter().all(|length| {
        groups.next().is_some_and(|group| group.len() == *length && group.iter().all(u8::is_ascii_hexdigit))
    }) && groups.next().is_none()
}

fn is_path_or_version(bytes: &[u8]) -> bool {
    let opens_path = [&b"/"[..], b"./", b"../", b"~/"].iter().any(|opening| bytes.starts_with(opening));
    // One in sixty-four secrets in base64 begins with a slash.
    let is_base64 = is_shuffled(bytes, DICE_RUN_MAX) && bytes.iter().all(|byte| is_base64(*byte));
    (opens_path && !is_base64)
        || bytes.get(1..3) == Some(b":\\")
        || bytes.windows(3).any(|three| three == b"://")
        || (bytes.contains(&b'/') && !is_base64 && (bytes.contains(&b'.') || !has_random_part(bytes, 8)))
        || matches!(bytes, [b'^' | b'~' | b'>' | b'=', b'=' | b'>' | b'0'..=b'9', ..])
}

/// Whether small and capital letters take turns as they do in no word, and in few names.
pub(super) fn is_shuffled(bytes: &[u8], mean_run_max: f64) -> bool {
    let is_cased = bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
    is_cased && mean_run(bytes) < mean_run_max
}

/// How long letters of one class stand together: over three in joined words, under two in what dice made.
fn mean_run(bytes: &[u8]) -> f64 {
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let (mut letters, mut runs, mut before) = (0_u32, 0_u32, b'_');
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() {
            letters += 1;
            runs += u32::from(!before.is_ascii_alphanumeric() || class(before) != class(byte));
        }
        before = byte;
    }
    f64::from(letters) / f64::from(runs.max(1))
}

/// Shannon's, in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let total = bytes.len() as f64;
    let share = |count: &u32| f64::from(*count) / total;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}
