//! What redaction finds, what it leaves alone, and what it does to the text around.
//!
//! No secret stands here: all are made at run time, of prefixes and of letters that dice of a fixed seed threw.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use factlog::ErrorKind;
use factlog_adapters::redact::{Finding, OWN_RULES_MAX, OwnRule, Redactor, Rules};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: [u8; 16] = *b"0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &str = "0123456789abcdef";

fn redactor() -> Redactor {
    Redactor::new(&Rules::default(), KEY).unwrap()
}

/// So many letters of an alphabet, the same ones every time.
fn dice(alphabet: &str, length: usize) -> String {
    let letters = alphabet.as_bytes();
    let mut state = (length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let throw = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[(state >> 33) as usize % letters.len()])
    };
    (0..length).map(throw).collect()
}

/// A private key as a file holds it.
fn private_key(called: &str) -> String {
    let lines: Vec<String> = (60..64).map(|length| dice(BASE64, length)).collect();
    format!("-----BEGIN {called}-----\n{}\n-----END {called}-----", lines.join("\n"))
}

fn json_web_token() -> String {
    format!("eyJ{}.eyJ{}.{}", dice(ALNUM, 33), dice(ALNUM, 80), dice(ALNUM, 43))
}

/// Every kind: its name, a text with a secret in it, and the secret.
fn samples() -> Vec<(&'static str, String, String)> {
    let mut samples = Vec::new();
    let mut whole = |kind, secret: String| samples.push((kind, format!("it is {secret} there"), secret));
    whole("private-key", private_key(concat!("RSA PRIVATE", " KEY")));
    whole("private-key", private_key(concat!("OPENSSH PRIVATE", " KEY")));
    whole("private-key", private_key(concat!("PGP PRIVATE", " KEY BLOCK")));
    for (prefix, kind, alphabet, length) in [
        ("AKIA", "aws-access-key-id", UPPER, 16),
        ("ASIA", "aws-access-key-id", UPPER, 16),
        ("ghp_", "github-token", ALNUM, 36),
        ("gho_", "github-token", ALNUM, 36),
        ("ghu_", "github-token", ALNUM, 36),
        ("ghs_", "github-token", ALNUM, 36),
        ("ghr_", "github-token", ALNUM, 76),
        ("github_pat_", "github-token", ALNUM, 82),
        ("glpat-", "gitlab-token", ALNUM, 20),
        ("xoxb-1234567890-", "slack-token", ALNUM, 24),
        ("xoxp-1234567890-", "slack-token", ALNUM, 24),
        ("xapp-1-A0B1-2345-", "slack-token", HEX, 64),
        ("hooks.slack.com/services/T0A1B2C3D/B0A1B2C3D/", "slack-webhook", ALNUM, 24),
        ("sk-", "openai-key", ALNUM, 48),
        ("sk-proj-", "openai-key", ALNUM, 120),
        ("sk-ant-api03-", "anthropic-key", ALNUM, 95),
        ("AIza", "google-key", ALNUM, 35),
        ("GOCSPX-", "google-key", ALNUM, 28),
        ("ya29.a0", "google-key", ALNUM, 180),
        ("sk_live_", "stripe-key", ALNUM, 24),
        ("sk_test_", "stripe-key", ALNUM, 24),
        ("rk_live_", "stripe-key", ALNUM, 99),
        ("whsec_", "stripe-key", ALNUM, 32),
        ("npm_", "npm-token", ALNUM, 36),
        ("pypi-AgEIcHlwaS5vcmc", "pypi-token", ALNUM, 150),
        ("hf_", "hugging-face-token", &ALNUM[..52], 34),
        ("gsk_", "vendor-token", ALNUM, 52),
        ("xai-", "vendor-token", ALNUM, 80),
        ("pplx-", "vendor-token", ALNUM, 48),
        ("r8_", "vendor-token", ALNUM, 37),
        ("dckr_pat_", "vendor-token", ALNUM, 27),
        ("dop_v1_", "vendor-token", HEX, 64),
        ("hvs.", "vendor-token", ALNUM, 92),
        ("lin_api_", "vendor-token", ALNUM, 40),
        ("shpat_", "vendor-token", HEX, 32),
        ("tskey-auth-", "vendor-token", ALNUM, 40),
    ] {
        whole(kind, format!("{prefix}{}", dice(alphabet, length)));
    }
    whole("sendgrid-key", format!("SG.{}.{}", dice(ALNUM, 22), dice(ALNUM, 43)));
    whole("json-web-token", json_web_token());
    let mut part = |kind, before: &str, secret: String, after: &str| {
        samples.push((kind, format!("{before}{secret}{after}"), secret));
    };
    part("aws-secret-access-key", "aws_secret_access_key = ", dice(BASE64, 40), "\nregion = x");
    part("aws-secret-access-key", "export AWS_SECRET_ACCESS_KEY=", dice(BASE64, 40), "");
    part("twilio-key", "twilio login with ", format!("SK{}", dice(HEX, 32)), " failed");
    part("authorization", "curl -H 'Authorization: Bearer ", dice(ALNUM, 30), "' x");
    part("authorization", "> authorization: bearer ", dice(HEX, 40), "\n> accept: */*");
    // ada:s3cret-word, in base64.
    part("authorization", "Authorization: Basic ", ["YWRhOn", "MzY3JldC13b3Jk"].concat(), "\n");
    part("url-password", "git clone https://ada:", dice(ALNUM, 9), "@example.org/a.git");
    part("url-password", "DATABASE_URL=postgres://app:", dice(ALNUM, 16), "@db:5432/app?x=1");
    part("url-password", "redis://:", dice(ALNUM, 12), "@cache:6379");
    for (before, after) in [
        ("DB_PASSWORD=", "\nDB_HOST=db"),
        ("export API_TOKEN='", "'"),
        ("client_secret: ", "\nclient_id: abc"),
        ("const apiKey = \"", "\";"),
        ("const API_KEY: &str = \"", "\";"),
        ("headers[\"x-api-key\"] = '", "'"),
        ("X-Api-Key: ", "\r\n"),
        ("login --user ada --password ", " --host x"),
        ("https://example.org/?access_token=", "&page=2"),
        ("{\"auth_token\": \"", "\"}"),
        (":password => \"", "\","),
        ("Authorization: token ", "\n"),
        ("//registry.npmjs.org/:_authToken=", "\n"),
        ("AccountName=a;AccountKey=", "==;EndpointSuffix=x"),
    ] {
        part("secret", before, dice(ALNUM, 24), after);
    }
    samples
}

fn kinds(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| finding.kind.as_str()).collect()
}

#[test]
fn every_kind_is_found_in_plain_text_and_all_around_it_stays() {
    for (kind, text, secret) in samples() {
        let found = redactor().findings(&text);
        assert_eq!(kinds(&found), [kind], "{text}");
        let (clean, count) = redactor().text(&text).unwrap();
        // Padding belongs to what it pads.
        let clean_with_padding = clean.replace(&found[0].marker, &format!("{}==", found[0].marker));
        let expected = text.replace(&secret, &found[0].marker);
        assert!(clean == expected || clean_with_padding == expected, "{clean}\n{expected}");
        assert_eq!(count, 1);
    }
}

#[test]
fn every_kind_is_found_in_a_json_value_and_in_json_within_json() {
    for (kind, text, secret) in samples() {
        let part = secret.split('\n').nth(1).unwrap_or(&secret);
        let mut document = text;
        for depth in 1..=3 {
            document = json!({"n": depth, "inner": document}).to_string();
            assert_eq!(kinds(&redactor().json_findings(&document)), [kind], "{document}");
            let (clean, _) = redactor().json(&document).unwrap();
            assert!(!clean.contains(part), "{clean}");
            let mut inner: Value = serde_json::from_str(&clean).unwrap();
            for _ in 1..depth {
                inner = serde_json::from_str(inner["inner"].as_str().unwrap()).unwrap();
            }
            assert!(inner["inner"].as_str().unwrap().contains("[redacted:"), "{clean}");
        }
    }
}

#[test]
fn the_name_of_a_json_value_tells_that_it_is_secret() {
    let secret = dice(ALNUM, 20);
    for name in ["password", "apiKey", "x-api-key", "CLIENT_SECRET", "auth", "refreshToken", "db_pass"] {
        let (clean, count) = redactor().json(&json!({ name: secret, "other": secret }).to_string()).unwrap();
        assert_eq!(count, 1, "{name}");
        let clean: Value = serde_json::from_str(&clean).unwrap();
        assert!(clean[name].as_str().unwrap().starts_with("[redacted:secret:"), "{name}");
        assert_eq!(clean["other"], secret, "the same letters mean nothing elsewhere");
    }
    let (clean, count) =
        redactor().json(&json!({"tokens_of": 1, "secrets": [secret, secret]}).to_string()).unwrap();
    assert_eq!((clean.matches("[redacted:secret:").count(), count), (2, 2));
    assert_eq!(redactor().json(&json!({"password": {"hint": secret}}).to_string()), None);
}

/// A session wrote a map from keys to their owners, and only the owners were looked at.
#[test]
fn a_secret_that_is_a_key_of_an_object_is_replaced() {
    let secret = format!("ghp_{}", dice(ALNUM, 36));
    let (clean, count) = redactor().json(&json!({ &secret: "ada" }).to_string()).unwrap();
    assert_eq!(count, 1);
    assert!(clean.starts_with("{\"[redacted:github-token:") && clean.ends_with("]\":\"ada\"}"), "{clean}");
}

#[test]
fn equal_secrets_have_equal_markers_under_one_key_and_others_under_another() {
    let (one, two) = (format!("ghp_{}", dice(ALNUM, 36)), format!("ghp_{}", dice(ALNUM, 40)));
    let text = format!("{one} {two} GH_TOKEN={one}");
    let markers = |key| -> Vec<String> {
        let found = Redactor::new(&Rules::default(), key).unwrap().findings(&text);
        found.into_iter().map(|finding| finding.marker).collect()
    };
    let here = markers(KEY);
    assert_eq!((&here[0], here.len()), (&here[2], 3));
    assert_ne!(here[0], here[1]);
    assert_ne!(markers(*b"another key.....")[0], here[0]);
    assert_eq!(here[0].len(), "[redacted:github-token:01234567]".len());
}

/// The hash of a payload no longer matched, because 1.0 had become 1 and \u00e9 had become é.
#[test]
fn all_but_the_string_with_the_secret_stays_byte_for_byte() {
    let secret = format!("glpat-{}", dice(ALNUM, 20));
    let before = "{ \"z\" : 1.0 ,\n\t\"a\":[1e400, -0.0,\"\\u00e9 \\/ \u{e9}\", {\"\\u0061\": null}], \"s\":";
    let after = " , \"b\" : \"\\ud83d\\ude00\" }\r\n";
    let (clean, _) = redactor().json(&format!("{before}\"one\\n{secret}\\ttwo\"{after}")).unwrap();
    let marker = &redactor().findings(&secret)[0].marker;
    assert_eq!(clean, format!("{before}\"one\\n{marker}\\ttwo\"{after}"));
}

/// Node writes half an emoji as \ud83d when it cuts a text, and no Rust string can hold that.
#[test]
fn a_string_with_half_an_emoji_is_still_looked_at() {
    let secret = format!("ghp_{}", dice(ALNUM, 36));
    for half in ["\\ud83d", "\\ude00", "\\ud83d\\u0020", "\\\\\\ud83d\\n"] {
        let (clean, count) = redactor().json(&format!("[\"{half} {secret} \\ud83d\\ude00\"]")).unwrap();
        let value: Value = serde_json::from_str(&clean).unwrap();
        assert!(value[0].as_str().unwrap().ends_with("] \u{1f600}"), "{clean}");
        assert_eq!(count, 1);
    }
}

#[test]
fn redacting_twice_changes_nothing() {
    for (_, text, _) in samples() {
        let clean = redactor().text(&text).unwrap().0;
        assert_eq!(redactor().text(&clean), None, "{clean}");
        for document in
            [json!({ "password": text, "b": [text] }), json!({"a": json!({ "b": text }).to_string()})]
        {
            let clean = redactor().json(&document.to_string()).unwrap().0;
            assert_eq!(redactor().json(&clean), None, "{clean}");
        }
    }
    let rules = Rules { own: vec![own("all", "(?s).+")], email: true, ..Rules::default() };
    let all = Redactor::new(&rules, KEY).unwrap();
    let clean = all.text("all of it").unwrap().0;
    assert_eq!(all.text(&clean), None, "{clean}");
}

/// `cat` of a key with line numbers, a diff of one, and one that was cut off by a limit of output.
#[test]
fn a_private_key_is_taken_whole_however_it_is_shown() {
    let key = private_key(concat!("EC PRIVATE", " KEY"));
    let lines: Vec<&str> = key.lines().collect();
    let shown = [
        lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("{n:>6}\u{2192}{line}\n"))
            .collect::<Vec<_>>()
            .concat(),
        lines.iter().map(|line| format!("+{line}\n")).collect::<Vec<_>>().concat(),
        lines.iter().map(|line| format!("  \"{line}\\n\" +\n")).collect::<Vec<_>>().concat(),
        lines[..3].join("\n"),
        lines[..3].join("\r\n"),
        format!("{}\nand then a sentence that is none of it, (see below).", lines[..3].join("\n")),
        format!("{}\n{key}", lines[..3].join("\n")),
    ];
    for text in shown {
        let (clean, _) = redactor().text(&text).unwrap();
        assert!(lines[1..3].iter().all(|line| !clean.contains(line)), "{clean}");
        assert!(
            !text.contains("sentence")
                || clean.ends_with("\nand then a sentence that is none of it, (see below).")
        );
    }
    for code in [
        format!("if text.contains(\"{}\") {{ return Err(Error::new(\"a key\")); }}", lines[0]),
        format!("begins with {} and ends with {}, see the standard", lines[0], lines[lines.len() - 1]),
        format!("{}\nMIIE...\n{}", lines[0], lines[lines.len() - 1]),
        lines[0].to_owned(),
    ] {
        assert_eq!(redactor().findings(&code), [], "{code}");
    }
}

/// Coloured output, percent signs and JSON within JSON put letters before a token that belong to an escape.
#[test]
fn letters_of_escapes_before_a_token_do_not_hide_it() {
    let secret = format!("ghp_{}", dice(ALNUM, 36));
    for before in ["\\n", "\\t", "\\u003d", "%3D", "\u{1b}[32m", "\\u001b[1;32m", "(", "/", "="] {
        assert_eq!(redactor().findings(&format!("x{before}{secret}")).len(), 1, "{before}");
    }
    assert_eq!(redactor().findings(&format!("x{secret}")), [], "part of a longer word");
}

#[test]
fn placeholders_and_code_are_left_alone() {
    for text in [
        "API_KEY=${API_KEY}",
        "API_KEY=$OTHER_API_KEY_2",
        "api_key: <your-token-goes-here-1>",
        "API_KEY=your_api_key_goes_here_1",
        "TOKEN=xxxxxxxxxxxxxxxx1",
        "password=changeme12345",
        "password: {{ vault_password_1 }}",
        "token: [redacted:secret:0123abcd]",
        "token = process.env.GITHUB_TOKEN_V2",
        "token = os.environ[\"GITHUB_TOKEN_V2\"]",
        "const token = generateToken2(32, \"base64url\")",
        "let secret = config.auth.secret1.value2;",
        "token: Option<Secret2String>,",
        "password = hash::argon2id_v19",
        "secret_name: my-app-secret-2024-prod",
        "\"token\": \"oauth2AccessToken\"",
        "max_tokens=128000000000a",
        "secretKeyRef: app-secrets-v2-main",
        "\"jsonwebtoken\": \"^9.0.2-beta.12\"",
        "secret_path=/run/secrets/db1/password2",
        "tokenizer: cl100k_base_0123456789",
        "password: short1",
        "--- PASS: TestNextPowerOf2 (0.00s)",
        "http://localhost:3000@evil.example",
        "postgres://user:password@localhost/db",
        "postgres://user:${PASSWORD}@localhost/db",
        "https://{user}:{pass}@{host}/",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <access-token-1>",
        "a bearer authentication2 scheme, and Basic authentication",
        "sk-fading-circle-container-12",
        "sk-learn-model-2024-01-01-large",
        concat!("AKIA", "IOSFODNN7EXAMPLE"),
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1",
        "/* Basic Options */ Basic Operations",
        "const FVE_E_NO_PASSPHRASE: HRESULT = 0x8031006C_u32 as _;",
        "nToken = sqlite3Strlen30NN(p->u.zToken)+1;",
        "const PRIVATE_KEY: X509CertificateTemplatePrivateKeyFlag = 3;",
        "npm_config_cache_directory_is_not_a_token_at_all",
    ] {
        assert_eq!(redactor().findings(text), [], "{text}");
        assert_eq!(redactor().json_findings(&json!({ "output": text }).to_string()), [], "{text}");
    }
    for value in [
        "${API_KEY}",
        "<your-token-1>",
        "your_api_key_goes_here_1",
        "process.env.GITHUB_TOKEN_V2",
        "my secret 1 is 2",
    ] {
        assert_eq!(redactor().json_findings(&json!({ "token": value }).to_string()), [], "{value}");
    }
}

#[test]
fn names_that_speak_about_a_secret_do_not_hold_one() {
    let value = dice(ALNUM, 24);
    for name in [
        "token_url",
        "secretName",
        "author",
        "max_tokens",
        "tokenizer",
        "nextPageToken",
        "public_key",
        "accessKeyId",
    ] {
        assert_eq!(redactor().json_findings(&json!({ name: value }).to_string()), [], "{name}");
        assert_eq!(redactor().findings(&format!("{name}={value}")), [], "{name}");
    }
}

#[test]
fn hashes_ids_and_base64_are_left_alone() {
    let image = format!("data:image/png;base64,{}==", dice(BASE64, 200_000));
    let integrity = format!("sha512-{}==", dice(BASE64, 86));
    let digest = format!("sha256:{}", dice(HEX, 64));
    let uuid = "0b8f3c1e-5d2a-4f7b-9c6e-1a2b3c4d5e6f";
    let url_letters = ALNUM.to_owned() + "-_";
    for value in [
        image.as_str(),
        &dice(BASE64, 200_001),
        &dice(&url_letters, 20_000),
        &integrity,
        &digest,
        &dice(HEX, 40),
        &dice(HEX, 64),
        uuid,
        &format!("toolu_01{}", dice(ALNUM, 22)),
        &format!("msg_01{}", dice(ALNUM, 22)),
        &format!("req_01{}", dice(ALNUM, 22)),
        &format!("call_{}", dice(ALNUM, 24)),
        "/home/ada/src/factlog/crates/factlog/src/lib1.rs",
        "C:\\Users\\ada\\x1\\y2",
        "https://example.org/a/b?c=d1#e",
        "git@github.com:ada/x.git",
    ] {
        for name in
            ["signature", "id", "data", "integrity", "session_id", "tool_use_id", "sha", "uuid", "url"]
        {
            let text = json!({ name: value, "in": format!("see {value}, and {name}={value}") }).to_string();
            assert_eq!(redactor().json_findings(&text), [], "{name} {}", &value[..value.len().min(80)]);
        }
    }
    // Even where the name tells of a secret: what is compared by its hash is told by it.
    for (name, value) in
        [("token", uuid), ("token", &dice(HEX, 40)), ("token", &dice(HEX, 64)), ("secret", &digest)]
    {
        assert_eq!(redactor().json_findings(&json!({ name: value }).to_string()), [], "{name} {value}");
    }
}

/// `openssl rand -hex 32` is how most secrets of small services are made, and looks like a digest.
#[test]
fn hex_digits_are_secret_where_the_name_leaves_no_doubt() {
    for (name, is_secret) in [
        ("api_key", true),
        ("SECRET_KEY", true),
        ("jwt_secret", true),
        ("auth_token", true),
        ("token", false),
        ("secret_sha256", false),
        ("api_key_hash", false),
    ] {
        let text = format!("{name}={}", dice(HEX, 64));
        assert_eq!(redactor().findings(&text).len(), usize::from(is_secret), "{name}");
    }
}

#[test]
fn e_mail_addresses_are_redacted_only_if_asked_for() {
    let text = "ask ada.byron+log@mail.example.org. Or git@github.com:ada/x, or a@b, or @name";
    assert_eq!(redactor().text(text), None);
    let asked = Redactor::new(&Rules { email: true, ..Rules::default() }, KEY).unwrap();
    let (clean, count) = asked.text(text).unwrap();
    assert_eq!(count, 1);
    assert!(
        clean.starts_with("ask [redacted:email:") && clean.contains("]. Or git@github.com:ada/x"),
        "{clean}"
    );
    let url = format!("postgres://app:{}@db.example.org/x", dice(ALNUM, 12));
    assert_eq!(kinds(&asked.findings(&url)), ["url-password"]);
}

fn own(name: &str, pattern: &str) -> OwnRule {
    OwnRule { name: name.to_owned(), pattern: pattern.to_owned() }
}

#[test]
fn own_rules_replace_the_whole_match_or_its_first_group() {
    let rules =
        Rules { own: vec![own("ticket", r"\bSEC-\d+\b"), own("badge", r"badge (\w+)")], ..Rules::default() };
    let redactor = Redactor::new(&rules, KEY).unwrap();
    let (clean, count) = redactor.json(r#"{"a":"SEC-12 with badge a7"}"#).unwrap();
    assert_eq!(count, 2);
    assert!(
        clean.starts_with(r#"{"a":"[redacted:ticket:"#) && clean.contains("] with badge [redacted:badge:"),
        "{clean}"
    );
    assert_eq!(redactor.json(&clean), None);
}

#[test]
fn what_is_allowed_stays() {
    let (one, two) = (format!("ghp_{}", dice(ALNUM, 36)), format!("ghp_{}", dice(ALNUM, 40)));
    let rules = Rules { allow: vec![format!("^{one}$"), "^hunter".to_owned()], ..Rules::default() };
    let redactor = Redactor::new(&rules, KEY).unwrap();
    let (clean, count) = redactor.text(&format!("{one} {two} password=hunter2hunter3")).unwrap();
    assert!(clean.contains(&one) && !clean.contains(&two) && clean.contains("hunter2"), "{clean}");
    assert_eq!(count, 1);
}

/// Two rules that overlap once left the middle of a key behind.
#[test]
fn secrets_that_overlap_are_taken_as_one() {
    let token = format!("ghp_{}", dice(ALNUM, 36));
    let rules =
        Rules { own: vec![own("line", "line: .*"), own("tail", "[0-9a-zA-Z]{4} end")], ..Rules::default() };
    let redactor = Redactor::new(&rules, KEY).unwrap();
    assert_eq!(redactor.text(&format!("line: {token} and so on")).unwrap().1, 1);
    let (clean, count) = redactor.text(&format!("a {token} end")).unwrap();
    assert!(clean.starts_with("a [redacted:github-token:") && clean.ends_with(']'), "{clean}");
    assert_eq!(count, 1);
}

#[test]
fn a_rule_that_cannot_be_used_is_told_by_its_name() {
    let message = |rules: &Rules| {
        let error = Redactor::new(rules, KEY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.message().to_owned()
    };
    let with = |rules: Vec<OwnRule>| Rules { own: rules, ..Rules::default() };
    assert!(message(&with(vec![own("fine", "a"), own("staff-number", "(")])).contains("\"staff-number\""));
    assert!(message(&with(vec![own("huge", r"(\w{1000}){1000}")])).contains("\"huge\""));
    for name in ["", "Big", "a b", "a:b", "a]", &"a".repeat(33)] {
        assert!(message(&with(vec![own(name, "a")])).contains(&format!("{name:?}")));
    }
    assert!(message(&with(vec![own("a", "a"); OWN_RULES_MAX + 1])).contains("64"));
    assert!(message(&Rules { allow: vec!["[".to_owned()], ..Rules::default() }).contains("\"[\""));
}

#[test]
fn rules_are_read_from_settings_and_a_word_they_do_not_know_is_refused() {
    let read = |text: &str| serde_json::from_str::<Rules>(text);
    assert_eq!(read("{}").unwrap(), Rules::default());
    let rules = read(r#"{"email":true,"own":[{"name":"a","pattern":"b"}],"allow":["c"]}"#).unwrap();
    assert_eq!(rules, Rules { email: true, own: vec![own("a", "b")], allow: vec!["c".to_owned()] });
    assert!(read(r#"{"mail":true}"#).is_err());
    assert!(read(r#"{"own":[{"name":"a","regex":"b"}]}"#).is_err());
}

#[test]
fn a_finding_tells_the_line_and_never_the_secret() {
    let secret = format!("ghp_{}", dice(ALNUM, 36));
    let text = format!("one\ntwo {secret}\n\n{secret}");
    let found = redactor().findings(&text);
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 4]);
    assert!(found.iter().all(|finding| text[finding.range.clone()] == secret));
    let found = redactor().json_findings(&format!("[\n\"a\",\n\"{secret} {secret}\"]"));
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3, 3]);
    assert!(!format!("{found:?} {:?}", redactor()).contains(&secret[4..]));
}

/// A piece of text that is, or is nearly, a secret.
fn piece() -> impl Strategy<Value = String> {
    let texts: Vec<String> = samples().into_iter().map(|(_, text, _)| text).collect();
    prop_oneof![
        proptest::sample::select(texts),
        "[a-z\"'\\\\:=\n {}\\[\\]@/.-]{0,12}",
        proptest::sample::select(vec![
            "password",
            "token=",
            "\": \"",
            "://",
            "[redacted:a:",
            "-----BEGIN ",
            "eyJ",
            "Bearer "
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ]
}

proptest! {
    #[test]
    fn json_stays_json_of_the_same_shape_and_redacting_is_final(
        pieces in proptest::collection::vec(piece(), 1..6),
        name in piece(),
    ) {
        let text = pieces.concat();
        let document = json!({ name: [text, 1.5, null], "b": {"password": pieces[0]} });
        let compact = document.to_string();
        if let Some((clean, count)) = redactor().json(&compact) {
            prop_assert!(count > 0);
            let value: Value = serde_json::from_str(&clean).unwrap();
            prop_assert_eq!(value.as_object().unwrap().len(), document.as_object().unwrap().len());
            prop_assert_eq!(redactor().json(&clean), None, "{}", clean);
        }
        if let Some((clean, _)) = redactor().text(&compact) {
            prop_assert_eq!(redactor().text(&clean), None, "{}", clean);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", pieces in proptest::collection::vec(piece(), 0..8)) {
        let asked = Redactor::new(&Rules { email: true, ..Rules::default() }, KEY).unwrap();
        let all = pieces.concat() + &text;
        asked.text(&all);
        asked.json(&all);
        for end in all.char_indices().map(|(at, _)| at) {
            asked.text(&all[..end]);
        }
    }
}
