//! deploy/supabase.sql: agents that append and read, and can do nothing else.

mod postgres;

use factlog::{Batch, ErrorKind, EventLog, Expect, Filter, NewEvent, Removal, Version};
use factlog_stores::{Open, PostgresOptions, PostgresStore};
use postgres::Log;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

const SQL: &str = include_str!("../../../deploy/supabase.sql");

/// A database with what Supabase has, and a log in it.
struct Project {
    server: PostgresOptions,
    name: String,
}

impl Project {
    async fn new() -> Option<Self> {
        let server = Log::direct()?.options();
        let name = format!("p{}", uuid::Uuid::now_v7().simple());
        let project = Self { server, name };
        project.at_the_server(&format!("CREATE DATABASE {}", project.name)).await;
        // Roles are the whole server's, and other tests make them at the same time.
        for role in ["anon", "authenticated"] {
            let make = format!("DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN OTHERS THEN NULL; END $$");
            project.at_the_server(&make).await;
        }
        let owner =
            PostgresStore::open(&project.options("factlog"), Open::Create).await.expect("the log is made");
        let owner = EventLog::new(owner);
        owner.close().await.expect("it closes");
        let client = project.connect("factlog").await;
        client.batch_execute("CREATE PUBLICATION supabase_realtime").await.expect("a publication");
        client.batch_execute(SQL).await.expect("the script runs");
        client.batch_execute(SQL).await.expect("and again changes nothing");
        project.at_the_server(&format!("CREATE ROLE {} LOGIN IN ROLE factlog_agent", project.agent())).await;
        Some(project)
    }

    fn agent(&self) -> String {
        format!("agent_{}", self.name)
    }

    fn options(&self, user: &str) -> PostgresOptions {
        let mut options = self.server.clone();
        options.names = factlog_stores::postgres::Names::default();
        options.config.dbname(&self.name).user(user);
        options
    }

    async fn connect(&self, user: &str) -> Client {
        let (client, connection) = self.options(user).config.connect(NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    async fn at_the_server(&self, sql: &str) {
        let (client, connection) = self.server.config.connect(NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(sql).await.expect(sql);
    }

    async fn drop(self) {
        self.at_the_server(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        self.at_the_server(&format!("DROP ROLE {}", self.agent())).await;
    }
}

fn fact(stream: &str) -> NewEvent {
    NewEvent::new(stream, "task:created", json!({"title": "x"})).expect("an event")
}

#[tokio::test]
async fn an_agent_appends_and_reads_and_can_do_nothing_else() {
    let Some(project) = Project::new().await else { return };
    let store =
        PostgresStore::open(&project.options(&project.agent()), Open::Existing).await.expect("it opens");
    let log = EventLog::new(store);
    let stream = "task-1".parse().expect("a name");
    let appended = log.stream(&stream).append(vec![fact("task-1")], Expect::Version(Version::NONE)).await;
    assert_eq!(appended.expect("it appends").last().0, 1);
    assert_eq!(log.read(Filter::all()).collect().await.expect("it reads").len(), 1);
    assert!(log.health().await.healthy);
    assert_eq!(log.removals().await.expect("it reads").len(), 0);

    let event = log.read(Filter::all()).collect().await.expect("it reads").remove(0);
    let kept = factlog::Event { position: factlog::Position(9), version: Version(9), ..(*event).clone() };
    let kept = Batch::kept(vec![factlog::Event { fact: fact("task-9"), ..kept }]).expect("a batch");
    assert_eq!(log.append(kept).await.expect_err("it keeps no positions").kind(), ErrorKind::Denied);
    let removal = Removal { filter: Filter::all(), through: event.position, archive: None };
    assert_eq!(log.remove(&removal).await.expect_err("it removes nothing").kind(), ErrorKind::Denied);
    let client = project.connect(&project.agent()).await;
    for refused in [
        "INSERT INTO factlog.events (position, version, recorded_at, id, bytes, stream, type, data)
             VALUES (2, 2, now(), gen_random_uuid(), 2, 'task-1', 'x', '{}')",
        "UPDATE factlog.events SET type = 'x'",
        "DELETE FROM factlog.events",
        "TRUNCATE factlog.events",
        "DROP TABLE factlog.events",
        "SELECT factlog.take_out(ARRAY[1])",
        "SELECT * FROM factlog.meta",
        "DELETE FROM factlog.snapshots",
        "ALTER TABLE factlog.events DISABLE TRIGGER ALL",
    ] {
        let code = client.batch_execute(refused).await.expect_err(refused).code().cloned();
        assert_eq!(code.map(|code| code.code().to_owned()).as_deref(), Some("42501"), "{refused}");
    }
    // What no reader could read is refused by the function itself too.
    for (streams, places, time) in
        [("{a-1,a-1}", "{1,2}", "NULL"), ("{a-1}", "{1,1}", "ARRAY['infinity','infinity']::timestamptz[]")]
    {
        let sql = format!(
            "SELECT factlog.append_events(1000, '{{1,1}}', ARRAY[gen_random_uuid(), gen_random_uuid()], '{streams}', NULL,
                 '{places}', '{{x,x}}', NULL, NULL, {time}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                 ARRAY['{{}}', '{{}}'], NULL, NULL, NULL, NULL, NULL, NULL)"
        );
        let code = client.batch_execute(&sql).await.expect_err(&sql).code().cloned();
        assert!(code.is_some_and(|code| code.code().starts_with("23")), "{sql}");
    }
    client.batch_execute("SET ROLE anon").await.expect_err("it is nobody else");
    let owner = project.connect("factlog").await;
    owner.batch_execute("SET ROLE anon").await.expect("the owner may be anybody");
    owner.batch_execute("SELECT * FROM factlog.events").await.expect_err("a stranger sees nothing");
    log.close().await.expect("it closes");
    project.drop().await;
}

#[tokio::test]
async fn the_function_for_the_api_appends_as_factlog_does() {
    let Some(project) = Project::new().await else { return };
    let client = project.connect(&project.agent()).await;
    let append = async |events: Value, expect: Value| -> Result<Value, String> {
        let sql = "SELECT factlog.append($1::text::json, $2::text::json)::text";
        let parameters = (events.to_string(), expect.to_string());
        let row = client.query_one(sql, &[&parameters.0, &parameters.1]).await;
        let row = row
            .map_err(|error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()))?;
        Ok(serde_json::from_str(row.get(0)).expect("an answer in JSON"))
    };
    let id = "0192f0c1-0000-7000-8000-000000000001";
    let two = json!([
        {"id": id, "stream": "task-1", "type": "task:created", "data": {"text": "a \"b\" :  c"}, "source": "ada",
         "targets": ["x", "y"], "tags": ["t 1"], "metadata": {"k": 1}, "priority": "high", "occurredAt": "2026-01-01T00:00:00Z"},
        {"stream": "task-1", "type": "task:started"},
    ]);
    let answer = append(two.clone(), json!({"task-1": "none", "task-2": 0})).await.expect("it appends");
    assert_eq!(answer["events"][1], json!({"position": 2, "stream": "task-1", "version": 2}));
    let first = json!([two[0]]);
    let again = append(first.clone(), json!({"task-1": "none"})).await.expect("the same again is once");
    assert_eq!((&again["repeated"], &again["events"][0]["position"]), (&json!(true), &json!(1)));
    assert_eq!(
        append(json!([{"stream": "task-1", "type": "x"}]), json!({"task-1": 1})).await,
        Err("PT409".into())
    );
    let other = json!([{"id": id, "stream": "task-1", "type": "other"}]);
    assert_eq!(append(other, json!({})).await, Err("PT409".into()));
    for bad in [
        json!([]),
        json!([{"stream": "", "type": "x"}]),
        json!([{"stream": "a\nb", "type": "x"}]),
        json!([{"stream": " a", "type": "x"}]),
        json!([{"stream": "a", "type": "x".repeat(101)}]),
        json!([{"stream": "a", "type": "x", "priority": "urgent"}]),
        json!([{"stream": "a", "type": "x", "occurredAt": "infinity"}]),
        json!([{"stream": "a", "type": "x", "tags": vec!["t"; 101]}]),
    ] {
        assert_eq!(append(bad.clone(), json!({})).await, Err("PT400".into()), "{bad}");
    }
    let removed = json!([{"stream": "log-retention", "type": "log:removed"}]);
    assert_eq!(append(removed, json!({})).await, Err("42501".into()));

    // What came by the function is as if it had come by factlog.
    let log = EventLog::new(
        PostgresStore::open(&project.options("factlog"), Open::Existing).await.expect("it opens"),
    );
    let events = log.read(Filter::all()).collect().await.expect("it reads");
    assert_eq!(events[0].data.as_str(), r#"{"text":"a \"b\" :  c"}"#);
    assert_eq!((events[0].targets.len(), events[0].tags[0].as_str()), (2, "t 1"));
    let report = log.check().await.expect("it is checked");
    assert_eq!(report.problems, Vec::<String>::new());
    let same = log.append(events[0].fact.clone()).await.expect("the same event from elsewhere");
    assert!(same.repeated);
    log.close().await.expect("it closes");
    project.drop().await;
}
