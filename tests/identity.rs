//! Who may do what, over TLS, with the real binary: tokens, roles, territories, client certificates, and what
//! must not stand open.

mod cli_support;
mod office;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use cli_support::{plan_name, run};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use office::{Office, seconds, with};
use serde_json::{Value, json};
use spotcheck::service::v1;
use tonic::{Code, Request};
use v1::audit_service_client::AuditServiceClient;
use v1::frame_service_client::FrameServiceClient;
use v1::plan_service_client::PlanServiceClient;

#[tokio::test(flavor = "multi_thread")]
async fn attack_tokens_that_are_none_let_nobody_in() {
    let office = Office::new();
    let server = office.start(&[]);
    let mut audit = AuditServiceClient::new(office.channel(&server).await);
    let mut refused = async |request: Request<v1::GetCheckpointRequest>| {
        let status = audit.get_checkpoint(request).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    let ask = v1::GetCheckpointRequest {};
    let (code, why) = refused(Request::new(ask)).await;
    assert_eq!(code, Code::Unauthenticated, "{why}");
    let good = office.claims("a", &["public"], "");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = good.clone();
        change(&mut claims);
        office.signed(&office.token_key, &claims)
    };
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = parts(&office.token("a", &["public"], ""));
    let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), signed[1]);
    // The public key as the secret of a symmetric signature.
    let public = office.token_key.public_key_raw().to_vec();
    let confused =
        encode(&Header::new(Algorithm::HS256), &good, &EncodingKey::from_secret(&public)).unwrap();
    let promoted = encoded(&office.claims("a", &["administrator"], ""));
    for (what, token) in [
        ("nothing", String::new()),
        ("no token", "abc".to_owned()),
        ("another key", office.signed(&office.other_key, &good)),
        ("no signature", unsigned),
        ("a symmetric signature", confused),
        ("another content", format!("{}.{promoted}.{}", signed[0], signed[2])),
        ("expired", changed(&|claims| claims["exp"] = seconds(-100).into())),
        ("not valid yet", changed(&|claims| claims["nbf"] = seconds(300).into())),
        ("without an end", changed(&|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("another issuer", changed(&|claims| claims["iss"] = "https://x".into())),
        ("another audience", changed(&|claims| claims["aud"] = "y".into())),
        ("nobody", changed(&|claims| claims["sub"] = " ".into())),
        ("a line break in the name", changed(&|claims| claims["sub"] = "a\nb".into())),
        ("no territory", changed(&|claims| claims["territory"] = "x".into())),
        ("too long", "a".repeat(10_000)),
    ] {
        let (code, why) = refused(with(&token, ask)).await;
        assert_eq!(code, Code::Unauthenticated, "{what}: {why}");
        assert!(token.len() < 20 || !why.contains(&token), "{what}: {why}");
    }
    // A good one does, as far as its roles go; the log is empty yet.
    let token = office.token("a", &["public"], "");
    assert_eq!(refused(with(&token, ask)).await.0, Code::NotFound);
    let nobody = office.token("a", &["gardener"], "");
    assert_eq!(refused(with(&nobody, ask)).await.0, Code::PermissionDenied);
    // Health needs none, reflection any.
    let mut health =
        tonic_health::pb::health_client::HealthClient::new(office.channel(&server).await);
    let asked = tonic_health::pb::HealthCheckRequest { service: String::new() };
    health.check(asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_territories_bound_what_is_seen_and_done() {
    let office = Office::new();
    let server = office.start(&[]);
    let planner = office.token("li.planner@370000", &["planner"], "");
    let csv = office.world.text("csv");
    let policy = office.world.text("policy.toml");
    let on = |token: &str, args: &[&str]| office.on(&server, token, args);
    let auditor = office.token("wang.auditor", &["auditor"], "");
    on(&auditor, &["import", "--dir", &csv]).expect(1).says(&["you may not import here"]);
    on(&planner, &["import", "--dir", &csv]).expect(0);
    let plan = ["plan", "--policy", &policy, "--seed-text", "3 1 4 1 5"];
    on(&auditor, &plan).expect(1).says(&["you may not make plans here"]);
    let id = plan_name(&on(&planner, &plan).expect(0));
    on(&planner, &["issue", &id]).expect(0);
    let zip = office.world.text("plan.zip");
    on(&auditor, &["bundle", &id, "--out", &zip]).expect(0);
    run(&["verify", &zip]).expect(0);
    // Who did what stands in the log.
    let members = spotcheck::audit::bundle::open(&office.world.read("plan.zip")).unwrap().members;
    let entries = String::from_utf8(members["log/entries.jsonl"].clone()).unwrap();
    assert_eq!(entries.matches("\"actor\":\"li.planner@370000\"").count(), 5, "{entries}");

    // A county's system sees its own lines whose wave has begun, and no seed.
    let lines = |token: &str| -> Vec<Vec<String>> {
        let out = on(token, &["lines", &id, "--format", "csv"]).expect(0).out;
        let cells = |line: &str| line.split(',').map(str::to_owned).collect();
        out.lines().skip(1).map(cells).collect()
    };
    let all = lines(&planner);
    let of_county = all.iter().find(|line| line[1] == "county").unwrap()[2].clone();
    let system = office.token("sampling-app", &["system"], &of_county);
    let own = lines(&system);
    assert!(!own.is_empty() && own.iter().all(|line| line[2] == of_county), "{own:?}");
    let of_authority = all.iter().filter(|line| line[2] == of_county).count();
    let local = office.token("zhao", &["auditor"], &of_county);
    assert_eq!(lines(&local).len(), of_authority);
    // The period begins in 2026: what is shown to systems depends on the day of this test.
    let begun = if seconds(0) < 1_767_196_800 { 0 } else { 1 };
    assert!(own.iter().all(|line| line[10].parse::<u32>().unwrap() <= 1 + begun));
    let mut plans = PlanServiceClient::new(office.channel(&server).await);
    let get = v1::GetPlanRequest { name: format!("plans/{id}") };
    let seed = |plan: v1::GetPlanResponse| plan.plan.unwrap().seed.unwrap().text;
    let seen = plans.get_plan(with(&system, get.clone())).await.unwrap().into_inner();
    assert_eq!(seed(seen), "");
    let seen = plans.get_plan(with(&auditor, get.clone())).await.unwrap().into_inner();
    assert_eq!(seed(seen), "3 1 4 1 5");
    let rows = v1::ListAllocationRequest { plan: format!("plans/{id}"), ..Default::default() };
    let rows = plans.list_allocation(with(&system, rows)).await.unwrap().into_inner();
    assert_eq!(rows.authorities.len(), 1);
    // Units that are not eligible: those of the own territory.
    let frame = plans.get_plan(with(&auditor, get.clone())).await.unwrap().into_inner();
    let frame = frame.plan.unwrap().frame;
    let mut frames = FrameServiceClient::new(office.channel(&server).await);
    let mut excluded = async |token: &str| {
        let frame = frame.clone();
        let asked = v1::ListExclusionsRequest { frame, page_size: 1_000, ..Default::default() };
        let found = frames.list_exclusions(with(token, asked)).await.unwrap().into_inner();
        found.exclusions.into_iter().map(|row| row.enterprise_id).collect::<Vec<_>>()
    };
    let text = String::from_utf8(office.world.read("csv/enterprises.csv")).unwrap();
    let place = |name| text.lines().next().unwrap().split(',').position(|own| own == name).unwrap();
    let (id_place, division_place) = (place("enterprise_id"), place("division"));
    let division = |id: &String| {
        let row = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        row.into_iter().find(|row| row[id_place] == id).unwrap()[division_place].to_owned()
    };
    let everywhere = excluded(&auditor).await;
    let city = division(&everywhere[0])[..4].to_owned();
    let within = excluded(&office.token("sun", &["auditor"], &city)).await;
    let expected: Vec<String> =
        everywhere.iter().filter(|id| division(id).starts_with(&city)).cloned().collect();
    assert!(within.len() < everywhere.len(), "{city}: {} of them", within.len());
    assert_eq!(within, expected);
    // Nobody may see a whole plan whose territory is a part.
    for token in [&system, &local] {
        on(token, &["bundle", &id, "--out", &zip]).expect(1).says(&["may not see whole plans"]);
        on(token, &["regenerate", &id]).expect(1);
    }
    on(&local, &["bundle", &id, "--out", &zip, "--county", &of_county]).expect(0);
    on(&system, &["bundle", &id, "--out", &zip, "--county", &of_county]).expect(1);
    let other = all.iter().find(|line| line[1] == "county" && line[2] != of_county).unwrap();
    on(&local, &["bundle", &id, "--out", &zip, "--county", &other[2]]).expect(1);
    // Explanations: of one's own enterprises.
    let own_line = all.iter().find(|line| line[6] == of_county).unwrap();
    on(&local, &["explain", &id, "--enterprise", &own_line[3]]).expect(0);
    on(&local, &["explain", &id, "--enterprise", &other[3]]).expect(1);
    on(&system, &["explain", &id, "--enterprise", &own_line[3]]).expect(1);
    // Replacements: of one's own lines.
    let why = ["--reason", "closed", "--evidence", "x"];
    let replace =
        |token: &str, line: &str| on(token, &[&["replace", &id, line][..], &why].concat());
    let drawn = |line: &&Vec<String>| line[13] == "0";
    let mine = all.iter().filter(drawn).find(|line| line[2] == of_county).unwrap();
    replace(&system, &other[0]).expect(1).says(&["another territory"]);
    replace(&system, &mine[0]).expect(0);
    replace(&planner, &other[0]).expect(0);
    assert!(on(&system, &["replacements", &id, "--format", "json"]).expect(0).out.len() > 10);
    let shown = on(&system, &["replacements", &id, "--format", "json"]).expect(0).out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["replacements"].as_array().unwrap().len(), 1);
    // The whole store, with its keys, is for administrators.
    let copy = office.world.text("copy");
    let backup = |token: &str| {
        office.world.write("token", token);
        let (url, ca) = (server.url(), office.world.text("ca.pem"));
        let token = office.world.text("token");
        let access = ["--server", &url, "--tls-ca", &ca, "--token-file", &token];
        run(&[&["store", "backup", "--out", &copy][..], &access].concat())
    };
    backup(&planner).expect(1).says(&["you may not copy the store here"]);
    std::fs::remove_dir_all(&copy).unwrap();
    backup(&office.token("root", &["administrator"], "")).expect(0);
    run(&["store", "check", "--store", &copy]).expect(0);
    // The public sees the log and the public's part, today's at most.
    let public = office.token("anyone", &["public"], "");
    on(&public, &["plans"]).expect(1);
    on(&public, &["lines", &id, "--format", "csv"]).expect(1);
    on(&public, &["bundle", &id, "--out", &zip, "--public"]).expect(0);
    let later = ["bundle", &id, "--out", &zip, "--public", "--sampled-until", "2999-01-01"];
    on(&public, &later).expect(2).says(&["must not be a day to come"]);
    // No token in the server's log, whatever it writes.
    let log = std::fs::read_to_string(&server.log).unwrap();
    assert!(log.contains("PERMISSION_DENIED"), "{log}");
    for token in [&planner, &auditor, &system, &public] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.contains(signature));
    }
}

#[test]
fn client_certificates_are_needed_where_they_are_asked_for() {
    let office = Office::new();
    let path = |name: &str| office.world.text(name);
    let ca = path("ca.pem");
    let server = office.start(&["--tls-client-ca", &ca]);
    let token = office.token("a", &["planner"], "");
    office.on(&server, &token, &["plans"]).expect(1);
    let (cert, key, url) = (path("client.pem"), path("client-key.pem"), server.url());
    office.world.write("token", &token);
    let token = path("token");
    let mut args = vec!["plans", "--server", &url, "--tls-ca", &ca, "--token-file", &token];
    args.extend(["--tls-cert", &cert, "--tls-key", &key]);
    run(&args).expect(0);
    // Plain text and unknown certificates.
    let plain = format!("http://localhost:{}", server.port);
    run(&["plans", "--server", &plain]).expect(1);
    run(&["plans", "--server", &url]).expect(2).says(&["--tls-ca FILE is needed"]);
    run(&["plans", "--server", &url, "--tls-ca", &cert]).expect(1);
    let far = "http://192.0.2.1:1";
    run(&["plans", "--server", far, "--token-file", &token])
        .expect(2)
        .says(&["a token is only sent over https"]);
}

#[test]
fn no_door_stands_open_by_default() {
    let office = Office::new();
    let path = |name: &str| office.world.text(name);
    let (store, cert, key) = (path("store"), path("server.pem"), path("server-key.pem"));
    let (ca, keys) = (path("ca.pem"), path("keys.json"));
    let serve = |more: &[&str]| {
        run(&[&["serve", "--store", &store, "--listen", "0.0.0.0:0"][..], more].concat())
    };
    serve(&[]).expect(2).says(&["0.0.0.0:0 is not a loopback address", "tls_cert"]);
    serve(&["--tls-cert", &cert, "--tls-key", &key]).expect(2).says(&["anybody could call"]);
    serve(&["--auth-keys", &keys]).expect(2).says(&["tls_cert"]);
    serve(&["--tls-cert", &cert]).expect(2).says(&["belong together"]);
    serve(&["--tls-client-ca", &ca]).expect(2).says(&["belong together"]);
    serve(&["--tls-cert", &key, "--tls-key", &key])
        .expect(2)
        .says(&["no PEM file of a CERTIFICATE"]);
    serve(&["--auth-issuer", "x"]).expect(2).says(&["need auth_keys"]);
    serve(&["--insecure", "maybe"]).expect(2).says(&["true or false"]);
    let bad = path("bad.json");
    for (text, why) in [
        ("{}", "is no JSON Web Key Set"),
        ("{\"keys\":[]}", "has no key"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"s\"}]}", "use a public key"),
    ] {
        office.world.write("bad.json", text);
        serve(&["--auth-keys", &bad]).expect(2).says(&[why]);
    }
    serve(&["--auth-keys", &path("none.json")]).expect(2).says(&["none.json"]);
}
