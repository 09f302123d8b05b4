//! Whether a name tells of a secret.

/// Bytes of a name that are looked at, from its end.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Words that make a name tell of a secret, wherever they stand in it, without their hyphens.
const TELLING: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"passphrase",
    b"secret",
    b"token",
    b"apikey",
    b"accesskey",
    b"privatekey",
    b"authkey",
    b"credential",
    b"encryptionkey",
    b"signingkey",
    b"masterkey",
    b"accountkey",
    b"sharedkey",
    b"authorization",
];
/// Words that do so as the last word of a name.
const TELLING_LAST: &[&[u8]] = &[b"auth", b"pwd", b"pass"];
/// Last words of names that speak about a secret and do not hold it.
const ABOUT_LAST: &[&[u8]] = &[
    b"id",
    b"ids",
    b"name",
    b"names",
    b"url",
    b"uri",
    b"path",
    b"paths",
    b"file",
    b"dir",
    b"type",
    b"types",
    b"kind",
    b"count",
    b"counts",
    b"length",
    b"len",
    b"size",
    b"limit",
    b"max",
    b"min",
    b"budget",
    b"expires",
    b"expiry",
    b"expiration",
    b"at",
    b"in",
    b"ttl",
    b"hash",
    b"sha",
    b"sha1",
    b"sha256",
    b"digest",
    b"checksum",
    b"fingerprint",
    b"arn",
    b"ref",
    b"version",
    b"date",
    b"time",
    b"endpoint",
    b"description",
    b"hint",
    b"format",
    b"prefix",
    b"usage",
    b"regex",
    b"pattern",
    b"label",
    b"env",
    b"var",
    b"policy",
    b"status",
    b"tokens",
    b"rule",
    b"rules",
];
/// Words of names whose secrets are none: places in a list, what is public, counts.
const ABOUT: &[&[u8]] = &[
    b"tokeniz",
    b"pagetoken",
    b"nexttoken",
    b"synctoken",
    b"continuation",
    b"cursor",
    b"public",
    b"idempoten",
    b"keyid",
    b"tokenid",
];
/// A name that tells of a secret.
pub(super) struct Name {
    flat: [u8; NAME_BYTES_MAX],
    length: usize,
}

impl Name {
    /// None for a name that tells of nothing.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let name = &name[name.len().saturating_sub(NAME_BYTES_MAX)..];
        let mut flat = [0; NAME_BYTES_MAX];
        let mut length = 0;
        let mut last_word = 0;
        let mut before = b' ';
        for &byte in name {
            let opens =
                !before.is_ascii_alphanumeric() || (byte.is_ascii_uppercase() && before.is_ascii_lowercase());
            if byte.is_ascii_alphanumeric() {
                if opens {
                    last_word = length;
                }
                flat[length] = byte.to_ascii_lowercase();
                length += 1;
            }
            before = byte;
        }
        let name = Self { flat, length };
        let last = &name.flat()[last_word..];
        let tells =
            may_tell(name.flat()) && (holds_any(name.flat(), TELLING) || TELLING_LAST.contains(&last));
        let is_about = || ABOUT_LAST.contains(&last) || holds_any(name.flat(), ABOUT);
        (tells && !is_about()).then_some(name)
    }

    /// Whether quotes have to tell that a value is one: `PASS: TestThis2` is what a test said.
    pub(super) fn needs_quotes(&self) -> bool {
        self.flat() == b"pass"
    }

    pub(super) fn is_authorization(&self) -> bool {
        self.flat().ends_with(b"authorization")
    }

    fn flat(&self) -> &[u8] {
        &self.flat[..self.length]
    }

    /// Names that hold keys of hex digits, and never a hash or the token of a page.
    pub(super) fn may_be_hex(&self) -> bool {
        const HEX: &[&[u8]] = &[
            b"password",
            b"secret",
            b"secretkey",
            b"apikey",
            b"accesskey",
            b"privatekey",
            b"authkey",
            b"encryptionkey",
            b"signingkey",
            b"masterkey",
            b"authtoken",
            b"accesstoken",
            b"apitoken",
            b"authorization",
            b"secretkeybase",
        ];
        HEX.iter().any(|word| self.flat().ends_with(word))
    }

    pub(super) fn is_of_aws_secret(&self) -> bool {
        holds_any(self.flat(), &[b"secretaccesskey", b"awssecret"])
    }
}

/// What is common to all telling words, so that other names are passed over quickly.
fn may_tell(flat: &[u8]) -> bool {
    flat.windows(3).any(|three| matches!(three, b"pas" | b"sec" | b"tok" | b"key" | b"aut" | b"cre" | b"pwd"))
}

fn holds_any(flat: &[u8], words: &[&[u8]]) -> bool {
    (0..flat.len()).any(|at| words.iter().any(|word| word[0] == flat[at] && flat[at..].starts_with(word)))
}
