//! Rules that can never be run: refused before anything happens, with the policy and the place.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use factlog_agents::policy::rules;

#[test]
fn rules_that_cannot_be_run_are_refused_with_the_policy_and_the_place() {
    for (rule, said) in [
        ("name = \"x\"", "on"),
        ("on = \"a\"", "no name"),
        ("name = \"x\"\non = \"a\"", "then"),
        (
            "name = \"x y\"\non = \"a\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "no name of a policy",
        ),
        (
            "name = \"x\"\non = \"a followed\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "policy x: on",
        ),
        (
            "name = \"x\"\non = \"a followed by b\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "within 1h",
        ),
        (
            "name = \"x\"\non = \"a\"\nwhen = \"data.\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "when",
        ),
        (
            "name = \"x\"\non = \"a\"\nthen = { append = { stream = \"s\" } }",
            "then, number 1: append: missing field `type`",
        ),
        (
            "name = \"x\"\non = \"a\"\nthen = { mail = { to = \"s\" } }",
            "append, message, request, webhook or command",
        ),
        (
            "name = \"x\"\non = \"a\"\nthen = { message = { to = \"s\", content = \"{{ data.\" } }",
            "not closed",
        ),
        (
            "name = \"x\"\non = \"a\"\nafter = \"soon\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "after",
        ),
        ("name = \"x\"\nbuilt_in = \"magic\"", "auto-move, retry-sessions"),
        ("built_in = \"budget-alert\"", "tokens or cost"),
        ("built_in = \"auto-move\"\nwith = { fast = true }", "takes nothing"),
        ("built_in = \"auto-move\"\nwhen = \"true\"", "has its own"),
        ("name = \"x\"\nonn = \"a\"", "unknown field `onn`"),
        (
            "name = \"x\"\non = \"a\"\nwhen = \"foo == 1\"\nthen = { append = { stream = \"s\", type = \"t\" } }",
            "speaks of foo",
        ),
        (
            "name = \"x\"\non = \"a\"\nthen = { append = { stream = \"{{ f.stream }}\", type = \"t\" } }",
            "speaks of f",
        ),
        (
            "name = \"x\"\non = \"a\"\nthen = { append = { stream = \" s\", type = \"t\" } }",
            "then, number 1: append",
        ),
        ("name = \"x\"\non = \"a\"\nthen = { webhook = { url = \"ftp://x\" } }", "webhook"),
    ] {
        let error = rules(&format!("[[policy]]\n{rule}")).unwrap_err();
        let text = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(text.contains(said), "{rule}: {text}");
    }
}
