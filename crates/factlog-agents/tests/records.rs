//! Records of coding agents: a hook and a transcript tell of the same, forks repeat messages, and nothing counts twice.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use factlog::{EventLog, MemoryStore, NewEvent, Text};
use factlog_agents::projections::{Agents, Entities, Metrics, Sessions, Tasks};
use factlog_agents::{AgentStatus, Fleet, Limits, Price, Prices, SessionStatus, Status, Tokens};
use serde_json::{Value, json};

/// Records of one session, each a second after the one before.
struct Told {
    log: EventLog,
    seconds: u32,
}

impl Told {
    fn new() -> Self {
        Self { log: EventLog::new(MemoryStore::new()), seconds: 0 }
    }

    async fn tell(&mut self, session: &str, source: &str, event_type: &str, data: &Value) {
        let mut event = NewEvent::new(&format!("session-{session}"), event_type, data).unwrap();
        event.session_id = Some(session.parse::<Text>().unwrap());
        event.source = Some(source.parse().unwrap());
        event.occurred_at = Some(
            format!("2026-11-20T10:{:02}:{:02}Z", self.seconds / 60, self.seconds % 60).parse().unwrap(),
        );
        self.seconds += 1;
        self.log.append(event).await.unwrap();
    }

    async fn claude(&mut self, session: &str, event_type: &str, data: Value) {
        self.tell(session, "claude-code", event_type, &data).await;
    }

    async fn state<P: Entities + Clone>(&self) -> P {
        let projected = self.log.project::<P>().await.unwrap();
        projected.caught_up(self.log.newest().await.unwrap()).await.unwrap();
        projected.with(P::clone)
    }
}

fn message(id: &str, output: u64, content: Value) -> Value {
    json!({"type": "assistant", "message": {"id": id, "model": "claude-opus-4-5", "content": content,
        "usage": {"input_tokens": 10, "output_tokens": output, "cache_read_input_tokens": 100}}})
}

fn call(id: &str, tool: &str, input: Value) -> Value {
    json!([{"type": "tool_use", "id": id, "name": tool, "input": input}])
}

fn result(id: &str, beside: Value) -> Value {
    json!({"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": id, "content": "ok"}]},
        "toolUseResult": beside})
}

#[tokio::test]
async fn tokens_count_once_a_message_the_last_line_of_it_and_not_again_in_a_fork() {
    let mut told = Told::new();
    told.claude("s1", "session:prompted", json!({"message": {"content": "Fix the login\nplease"}})).await;
    told.claude("s1", "session:thought", message("m1", 1, json!([]))).await;
    told.claude("s1", "session:replied", message("m1", 5, json!([]))).await;
    told.claude("s1", "session:replied", message("m2", 7, json!([]))).await;
    // A fork begins with a copy of what was said before.
    told.claude("s2", "session:replied", message("m1", 5, json!([]))).await;
    told.claude("s2", "session:replied", message("m3", 2, json!([]))).await;
    let sessions: Sessions = told.state().await;
    let tokens = |id: &str| sessions.get(id).unwrap().tokens;
    assert_eq!(tokens("s1"), Tokens { input: 20, output: 12, cache_read: 200, cache_creation: 0 });
    assert_eq!(tokens("s2"), Tokens { input: 10, output: 2, cache_read: 100, cache_creation: 0 });
    let session = sessions.get("s1").unwrap();
    assert_eq!((session.messages, session.title.as_deref()), (2, Some("Fix the login")));
    let mut prices = Prices::default();
    prices.0.insert("claude".to_owned(), Price { output: 1_000_000.0, ..Price::default() });
    assert_eq!(prices.cost_of(&session.tokens_by_model()), Some(12.0));
}

#[tokio::test]
async fn a_call_that_its_hook_and_its_transcript_tell_of_is_one_call_in_whatever_order() {
    let mut told = Told::new();
    let input = json!({"command": "ls"});
    let hook = json!({"tool_name": "Bash", "tool_use_id": "t1", "tool_input": input});
    told.claude("s", "hook:pre-tool-use", hook.clone()).await;
    told.claude("s", "session:tool-called", message("m", 1, call("t1", "Bash", input.clone()))).await;
    told.claude("s", "hook:post-tool-use", hook).await;
    told.claude("s", "session:tool-returned", result("t1", json!({"stdout": ""}))).await;
    // A return that comes in before its call.
    told.claude("s", "session:tool-returned", result("t2", json!({}))).await;
    told.claude("s", "session:tool-called", message("m", 1, call("t2", "Read", json!({})))).await;
    // Old hooks have no ids: calls and returns of a tool are paired in their order.
    for _ in 0..2 {
        told.claude("s", "hook:pre-tool-use", json!({"tool_name": "Grep"})).await;
    }
    told.claude("s", "hook:post-tool-use", json!({"tool_name": "Grep"})).await;
    told.claude("s", "session:tool-called", message("m", 1, call("t3", "Bash", json!({})))).await;
    let sessions: Sessions = told.state().await;
    let session = sessions.get("s").unwrap();
    assert_eq!((session.tool_calls, session.tools["Bash"].calls, session.tools["Grep"].calls), (5, 2, 2));
    let open: Vec<&str> = session.open_calls().values().map(|open| open.tool.as_str()).collect();
    assert_eq!(open, ["Grep", "Bash"]);
    // The return that came in before its call is counted with it.
    assert_eq!((session.tool_returns, session.tools["Read"].calls), (3, 1));
    let metrics: Metrics = told.state().await;
    assert_eq!(metrics.get("s").unwrap().actions["Bash"].count, 1);
    assert_eq!(metrics.get("s").unwrap().actions["Read"].count, 1);
}

#[tokio::test]
async fn a_prompt_that_its_hook_and_its_transcript_tell_of_is_one_and_a_sub_agents_is_none() {
    let mut told = Told::new();
    told.claude("s", "hook:user-prompt-submit", json!({"prompt": "Fix the login"})).await;
    told.claude("s", "session:prompted", json!({"message": {"content": "Fix the login"}})).await;
    told.tell("s", "claude-code/sub1", "session:prompted", &json!({"message": {"content": "Look around"}}))
        .await;
    told.claude("s", "session:prompted", json!({"message": {"content": "And the logout"}})).await;
    let sessions: Sessions = told.state().await;
    let session = sessions.get("s").unwrap();
    assert_eq!((session.prompts, session.title.as_deref()), (2, Some("Fix the login")));
}

#[tokio::test]
async fn a_message_over_midnight_is_of_the_day_it_began() {
    let mut told = Told::new();
    told.seconds = 0;
    for (time, output) in [("2026-11-20T23:59:59Z", 1), ("2026-11-21T00:00:01Z", 50)] {
        let mut event =
            NewEvent::new("session-s", "session:replied", message("m1", output, json!([]))).unwrap();
        event.session_id = Some("s".parse::<Text>().unwrap());
        event.source = Some("claude-code".parse().unwrap());
        event.occurred_at = Some(time.parse().unwrap());
        told.log.append(event).await.unwrap();
    }
    let sessions: Sessions = told.state().await;
    let session = sessions.get("s").unwrap();
    assert_eq!(session.tokens.output, 50);
    let by_day: Vec<(&str, u64)> = session
        .tokens_by_day
        .iter()
        .map(|(day, models)| (day.as_str(), models.values().map(|tokens| tokens.output).sum()))
        .collect();
    assert_eq!(by_day, [("2026-11-20", 50)]);
}

#[tokio::test]
async fn a_sub_agent_is_known_by_its_call_first_and_then_by_its_own_name() {
    let mut told = Told::new();
    let input = json!({"description": "Look around", "prompt": "...", "subagent_type": "Explore"});
    told.claude("s", "session:tool-called", message("m", 1, call("t1", "Task", input))).await;
    let agents: Agents = told.state().await;
    assert_eq!(agents.get("t1").unwrap().status, AgentStatus::Active);
    assert_eq!(agents.get("t1").unwrap().parent_id.as_deref(), Some("s"));
    // Its own records come under its own name.
    told.tell(
        "s",
        "claude-code/af09",
        "session:tool-called",
        &message("n", 1, call("t9", "Grep", json!({}))),
    )
    .await;
    let returned = json!({"agentId": "af09", "status": "completed", "totalDurationMs": 4_000});
    told.claude("s", "session:tool-returned", result("t1", returned)).await;
    let agents: Agents = told.state().await;
    assert!(agents.get("t1").is_none());
    let child = agents.get("af09").unwrap();
    assert_eq!((child.status, child.agent_name.as_deref()), (AgentStatus::Completed, Some("Look around")));
    assert_eq!((child.parent_id.as_deref(), child.total_task_duration_ms), (Some("s"), 4_000));
    assert_eq!(agents.children("s").count(), 1);
    let sessions: Sessions = told.state().await;
    let subagents = &sessions.get("s").unwrap().subagents;
    assert_eq!((subagents.len(), subagents[0].agent_id.as_str()), (1, "af09"));
}

#[tokio::test]
async fn an_agents_own_list_of_tasks_is_of_its_session() {
    let mut told = Told::new();
    told.claude(
        "s",
        "session:tool-called",
        message("m", 1, call("t1", "TaskCreate", json!({"subject": "x"}))),
    )
    .await;
    told.claude(
        "s",
        "session:tool-returned",
        result("t1", json!({"task": {"id": "1", "subject": "Write tests"}})),
    )
    .await;
    let update = |status: &str| json!({"taskId": "1", "status": status});
    told.claude("s", "session:tool-called", message("m", 1, call("t2", "TaskUpdate", update("in_progress"))))
        .await;
    told.claude("s", "session:tool-called", message("m", 1, call("t3", "TaskUpdate", update("completed"))))
        .await;
    let tasks: Tasks = told.state().await;
    let task = tasks.get("s/1").unwrap();
    assert_eq!((task.title.as_deref(), task.status), (Some("Write tests"), Some(Status::Completed)));
    assert_eq!((task.session_id.as_deref(), task.duration_ms), (Some("s"), Some(1_000)));
}

#[tokio::test]
async fn the_fleet_tells_who_is_at_work_and_who_is_stuck_by_which_rule() {
    let mut told = Told::new();
    told.claude("works", "session:prompted", json!({"message": {"content": "Go"}})).await;
    told.claude("asks", "hook:user-prompt-submit", json!({"prompt": "Go on"})).await;
    told.claude("asks", "hook:notification", json!({"notification_type": "permission_prompt"})).await;
    told.claude("waits", "session:prompted", json!({"message": {"content": "Go"}})).await;
    told.claude("waits", "session:turn-ended", json!({})).await;
    told.claude("hangs", "session:tool-called", message("m", 5, call("t", "Bash", json!({})))).await;
    told.claude("over", "hook:session-end", json!({"reason": "exit"})).await;
    let agents: Agents = told.state().await;
    let sessions: Sessions = told.state().await;
    let tasks: Tasks = told.state().await;
    let fleet = |at: &str| {
        Fleet::of(&agents, &sessions, &tasks, at.parse().unwrap(), Limits::default(), &Prices::default())
    };
    let stuck = |fleet: &Fleet| -> Vec<(String, &str)> {
        let members = fleet
            .agents
            .iter()
            .filter_map(|member| Some((member.agent_id.clone(), member.stuck.as_ref()?.rule)));
        members.collect()
    };
    let soon = fleet("2026-11-20T10:01:00Z");
    assert_eq!(stuck(&soon), [("asks".to_owned(), "asks")]);
    assert_eq!(soon.counts(), [2, 1, 1, 1]);
    assert_eq!(soon.agents[1].tool.as_deref(), Some("Bash"));
    assert_eq!(soon.tokens_today.total(), 115);
    let later = fleet("2026-11-20T10:16:00Z");
    let mut rules = stuck(&later);
    rules.sort();
    assert_eq!(
        rules,
        [("asks".to_owned(), "asks"), ("hangs".to_owned(), "tool"), ("works".to_owned(), "quiet")]
    );
    let next_week = fleet("2026-11-27T10:00:00Z");
    assert!(next_week.agents.iter().all(|member| member.is_gone && member.stuck.is_none()));
    assert_eq!(next_week.tokens_today, Tokens::default());
    assert_eq!(sessions.get("over").unwrap().status, Some(SessionStatus::Completed));
}

#[tokio::test]
async fn tokens_of_codex_and_gemini_are_those_of_each_step_once() {
    let mut told = Told::new();
    let step = |last: u64, total: u64| {
        json!({"payload": {"type": "token_count", "info": {
            "last_token_usage": {"input_tokens": last, "cached_input_tokens": 40, "output_tokens": 5, "total_tokens": last + 5},
            "total_token_usage": {"total_tokens": total}}}})
    };
    for (last, total) in [(100, 105), (100, 105), (60, 170)] {
        told.tell("c", "codex", "session:tokens-counted", &step(last, total)).await;
    }
    let answer = |output: u64| json!({"id": "g1", "tokens": {"input": 50, "output": output, "cached": 10, "thoughts": 3}});
    told.tell("g", "gemini", "session:replied", &answer(1)).await;
    told.tell("g", "gemini", "session:message-updated", &answer(9)).await;
    let sessions: Sessions = told.state().await;
    let tokens = |id: &str| sessions.get(id).unwrap().tokens;
    assert_eq!(tokens("c"), Tokens { input: 80, output: 10, cache_read: 80, cache_creation: 0 });
    assert_eq!(tokens("g"), Tokens { input: 40, output: 12, cache_read: 10, cache_creation: 0 });
}
