//! What the fields of payloads mean: each name means the same in every payload, and stands here once.

use schemars::Schema;
use serde_json::{Value, json};

/// What a field holds, by its name on the wire. Times end in `At`, and need no words.
const MEANINGS: &[(&str, &str)] = &[
    ("accessCount", "how often it was looked up, as its keeper counts"),
    ("accessLevel", "what others may do with it: none, read, write or admin"),
    ("action", "what was done"),
    ("acts", "what was done, in a few words each"),
    ("agentId", "the agent"),
    ("agentName", "what people call the agent"),
    ("agentType", "what kind of agent it is"),
    (
        "ahead",
        "whether more was handed out than is begun with at once: it is an attempt the first time, and later once it is begun with",
    ),
    ("answerInbox", "the inbox that the answer is put into, where nobody waits for it"),
    ("attempt", "which try it was: 1 is the first"),
    ("attempts", "how often it was tried"),
    ("attemptsMax", "how often it is offered before it is a dead letter"),
    ("availableCapacity", "how much work it can take"),
    ("blockedBy", "the tasks that it waits for"),
    ("branch", "the branch of the repository"),
    ("build", "how the build went"),
    ("capabilities", "what it can do"),
    ("code", "the error's code, or the notice's"),
    ("commit", "the commit's hash"),
    ("config", "its settings"),
    ("conflictingFiles", "the files whose changes do not go together"),
    ("consensus", "whether they agreed"),
    ("consensusId", "the question to be decided"),
    ("content", "what it says"),
    ("contentType", "text, json, binary or command"),
    ("context", "what else was the case"),
    ("contextId", "the run of the agent, or its session: what it has read, it has read there"),
    ("coordinationId", "the common work"),
    ("cost", "what it cost, in US dollars, as its source states it"),
    ("currentTasks", "how many tasks it has"),
    ("data", "whatever else is known"),
    ("deadline", "when it must be done"),
    ("decision", "what was decided"),
    ("delayMs", "how long it is held back, in milliseconds"),
    ("dependencies", "the tasks that must be done before"),
    ("deploymentId", "the deployment"),
    ("description", "what is to be done"),
    ("details", "whatever else is known"),
    ("digest", "what is the same where the contents are the same"),
    ("domain", "its field of work, such as security or core"),
    ("durationMs", "how long it took, in milliseconds"),
    ("electorate", "the agents that may vote, fixed when the question was stored"),
    ("environment", "where it runs, or is brought to"),
    ("error", "what went wrong"),
    ("errorCode", "the error's code"),
    ("estimatedDurationMs", "how long it may take, in milliseconds"),
    ("eventId", "the event"),
    ("eventName", "what happened"),
    ("eventType", "what kind of thing happened"),
    ("events", "the ids of the events that it acts on"),
    ("extendMs", "how much longer it may take from now on, in milliseconds"),
    ("filter", "whom it is for, where the scope is custom: agentTypes, capabilities, tags"),
    ("firingId", "the firing: the same for the same policy and the same first event"),
    ("from", "the agent that sent it"),
    ("fromWorkflow", "the part of the workflow it was in"),
    ("graceful", "whether it could finish what it did"),
    (
        "heartbeatMs",
        "how often the agent says that it is there, in milliseconds; it never says so where this is missing",
    ),
    ("hops", "how many messages it is an answer to, one behind the other"),
    ("inboxId", "the agent whose inbox it is, or the address that several agents take from"),
    ("initialMembers", "the agents it begins with"),
    ("input", "what it works with"),
    ("key", "the name in its namespace"),
    ("kind", "message, broadcast, request, response or task"),
    ("leader", "the agent that leads"),
    ("logs", "what was written on the way"),
    ("maxAgents", "how many agents may take part"),
    ("memoryId", "the value that is kept"),
    ("memoryType", "what kind of memory it is, such as episodic"),
    ("message", "what there is to say"),
    ("messageId", "the message"),
    ("messageIds", "the messages"),
    ("metadata", "whatever else is known of the record"),
    ("method", "what is asked for"),
    ("methods", "what it can be asked for"),
    ("metrics", "figures"),
    ("milestoneId", "the milestone"),
    ("minAgents", "how many agents must take part"),
    ("mode", "how it runs"),
    ("name", "what it is called"),
    ("namespace", "where its key is looked up, or its resources are"),
    ("newAgentCount", "how many agents there are now"),
    ("newBranch", "the branch it has now"),
    ("newPhase", "the phase that begins"),
    ("newStatus", "the status it has now"),
    ("objective", "what is aimed at"),
    ("oldBranch", "the branch it had before"),
    ("oldStatus", "the status it had before"),
    ("output", "what came of it"),
    ("params", "what it is asked with"),
    ("parentId", "what it is a part of, or who made it"),
    ("participants", "the agents that take part"),
    ("path", "the folder"),
    ("pid", "the process"),
    ("position", "where it stands in the log"),
    ("prNumber", "the number of the pull request"),
    ("previousAgentCount", "how many agents there were before"),
    ("previousContent", "what it said before"),
    ("previousPhase", "the phase that ends"),
    ("previousStatus", "the status it had before"),
    ("priority", "how urgent it is: low, normal, high or critical; medium is normal, highest critical"),
    ("progress", "how much is done, in percent"),
    ("proposal", "what is to be decided"),
    ("quorumSize", "how many votes it takes"),
    ("reason", "why"),
    ("recipients", "the agents it is for, as they were when it was stored"),
    ("replyTo", "the message it answers"),
    ("requestId", "the request"),
    ("requiredCapabilities", "what agents must be able to do"),
    ("resources", "what is taken: names, or patterns with *, ** and ?"),
    ("resourcesUsed", "what it took: memory, cpu, apiCalls"),
    ("result", "what came of it"),
    ("results", "what came of what was not in the log alone"),
    ("retain", "whether those who come later get it too"),
    ("retryAttempt", "how often it was tried before"),
    ("retryCount", "how often it was tried again"),
    ("retryable", "whether it may be tried again"),
    ("role", "the part it plays"),
    ("scope", "whom it is for: global, swarm, type or custom"),
    ("section", "the heading of the part"),
    ("sessionId", "the session"),
    ("sessions", "the sessions that work there"),
    ("sharedWith", "the agents that may, and groups as group:NAME; all where this is missing"),
    ("size", "its size in bytes"),
    ("stack", "where in the program it went wrong"),
    ("status", "how it stands, in the source's own word"),
    ("steps", "the names of the pattern's steps, in the order of the events; empty where a step has none"),
    ("strategy", "how they work together: sequential, parallel, hierarchical or consensus"),
    ("stream", "the stream that its content stands in"),
    ("success", "whether it went well"),
    ("swarmId", "the swarm"),
    ("tags", "words to find it by"),
    ("taskId", "the task"),
    ("taskType", "what kind of task it is"),
    ("tests", "how the tests went"),
    ("timeoutMs", "how long to wait, in milliseconds"),
    ("title", "what people call it"),
    ("toWorkflow", "the part of the workflow it is in now"),
    ("token", "the position of the event that took it"),
    ("tokensUsed", "how many tokens it took"),
    ("tool", "the tool's name"),
    ("toolsUsed", "the tools' names"),
    ("topic", "what it is about"),
    ("topology", "how the agents are connected"),
    ("ttlMs", "how long it is held, in milliseconds"),
    ("userId", "the person"),
    ("value", "what is kept"),
    ("visibilityMs", "how long it is not offered to others, in milliseconds"),
    ("vote", "approve, reject or abstain"),
    ("votes", "who voted how, and why"),
    ("votingStrategy", "majority, unanimous, weighted or quorum"),
    ("weights", "how much the vote of each agent counts; 1 where it is not named"),
    ("workflowState", "the part of the workflow it is in"),
    ("worktrees", "the folders of the worktrees"),
];

/// What a field holds.
pub(crate) fn of(field: &str) -> String {
    if let Some((_, meaning)) = MEANINGS.iter().find(|(name, _)| *name == field) {
        return (*meaning).to_owned();
    }
    match field.strip_suffix("At") {
        Some("expires") => "when its time runs out".to_owned(),
        Some(happened) => format!("when it was {happened}; the event's own time where it is left out"),
        None => String::new(),
    }
}

/// Makes a schema say what its fields mean, and that there are no others.
pub(crate) fn describe(schema: &mut Schema) {
    let Some(root) = schema.as_object_mut() else { return };
    root.insert("additionalProperties".to_owned(), json!(false));
    let Some(fields) = root.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, field) in fields {
        // A field of any value may be written as `true`.
        if !field.is_object() {
            *field = json!({});
        }
        let Some(field) = field.as_object_mut() else { continue };
        if let Some(Value::Array(kinds)) = field.get("type") {
            // What is left out is left out; it is never null.
            let kind = kinds.iter().find(|kind| *kind != "null").cloned();
            field.insert("type".to_owned(), kind.unwrap_or_default());
        }
        // A need is told by `required`, and the width of a number is Rust's own affair.
        field.remove("default");
        if field.get("format").is_some_and(|format| format != "date-time") {
            field.remove("minimum");
            if field.remove("format") == Some(json!("uint64")) {
                field.insert("minimum".to_owned(), json!(0));
            }
        }
        field.insert("description".to_owned(), json!(of(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::TYPES;
    use super::super::strict::camel;
    use super::*;

    #[test]
    fn every_field_has_a_meaning_and_every_meaning_a_field() {
        let mut used = Vec::new();
        for info in TYPES {
            for (field, _) in info.fields {
                let name = camel(field);
                assert!(!of(&name).is_empty(), "{name} of {}", info.name);
                used.push(name);
            }
        }
        for (name, _) in MEANINGS {
            assert!(used.iter().any(|used| used == name), "{name} is nobody's field");
        }
    }

    #[test]
    fn a_schema_tells_kinds_needs_and_meanings() {
        let info = TYPES.iter().find(|info| info.name == "task:completed").unwrap();
        let schema = serde_json::to_value(info.schema()).unwrap();
        assert_eq!(schema["required"], json!(["taskId"]));
        assert_eq!(schema["properties"]["taskId"], json!({"type": "string", "description": "the task"}));
        assert_eq!(schema["properties"]["durationMs"]["type"], "integer");
        assert_eq!(schema["properties"]["durationMs"]["minimum"], 0);
        assert_eq!(schema["properties"]["completedAt"]["format"], "date-time");
        assert_eq!(schema["properties"]["result"], json!({"description": "what came of it"}));
        assert_eq!(schema["additionalProperties"], false);
    }
}
