//! The whole way over a real socket: rows in, a frame, a plan, its pages, its file, its checks.

mod common;
mod service;

use service::{Server, create, header, import, messages, part, policy, province};
use spotcheck::audit;
use spotcheck::model::Digest;
use spotcheck::service::v1;
use spotcheck::service::v1::import_request::Part;
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test(flavor = "multi_thread")]
async fn from_rows_to_a_verified_plan() {
    let server = Server::in_memory().await;
    let imported = import(&server, &province(120)).await;
    let revision = imported.revision.unwrap();
    assert_eq!((revision.name.as_str(), imported.unchanged), ("revisions/1", false));
    assert_eq!(revision.counts.unwrap().supply, 240);
    assert!(import(&server, &province(120)).await.unchanged);
    let mut registry = server.registry().await;
    let name = "revisions/latest".to_owned();
    let latest = registry.get_revision(v1::GetRevisionRequest { name }).await.unwrap();
    assert_eq!(latest.into_inner().revision.unwrap().digest, revision.digest);

    let mut frames = server.frames().await;
    let request = v1::FreezeFrameRequest { policy: Some(policy()), ..Default::default() };
    let frame = frames.freeze_frame(request).await.unwrap().into_inner().frame.unwrap();
    // Every third enterprise has P2 in shops only.
    assert_eq!((frame.units, frame.excluded_units), (200, 40));
    let mut request = v1::ListExclusionsRequest {
        frame: frame.name.clone(),
        page_size: 15,
        ..Default::default()
    };
    let mut excluded = Vec::new();
    loop {
        let page = frames.list_exclusions(request.clone()).await.unwrap().into_inner();
        excluded.extend(page.exclusions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(excluded.len(), 40);
    assert!(excluded.is_sorted_by_key(|row| (row.enterprise_id.clone(), row.product_id.clone())));

    let mut plans = server.plans().await;
    let created = plans.create_plan(create("2 4 6 1")).await.unwrap().into_inner();
    let plan = created.plan.unwrap();
    assert_eq!((plan.batches, plan.frame.as_str(), created.existing), (38, &*frame.name, false));
    let from_frame = v1::CreatePlanRequest {
        source: Some(v1::create_plan_request::Source::Frame(frame.name)),
        ..create("2 4 6 1")
    };
    let again = plans.create_plan(from_frame).await.unwrap().into_inner();
    assert_eq!((again.plan.as_ref(), again.existing), (Some(&plan), true));

    let name = plan.name.clone();
    let file = export(&server, &name).await;
    assert_eq!(Digest::of(&file).to_string(), plan.document_digest);
    assert!(audit::verify(&file).holds());
    let request = v1::RegeneratePlanRequest { name: name.clone() };
    let again = plans.regenerate_plan(request).await.unwrap().into_inner();
    assert_eq!((again.same, again.difference.as_str()), (true, ""));
    assert_eq!(again.lines, plan.batches + plan.replacements);

    let source = Some(v1::verify_plan_request::Source::Name(name));
    let by_name = tokio_stream::iter([v1::VerifyPlanRequest { source }]);
    assert!(plans.verify_plan(by_name).await.unwrap().into_inner().holds);
    assert!(verify(&server, &file).await.holds);
    let forged = String::from_utf8(file).unwrap().replacen("E00", "E99", 1);
    let found = verify(&server, forged.as_bytes()).await;
    assert!(!found.holds && found.checks.iter().any(|check| !check.problems.is_empty()));
    server.stop().await;
}

async fn export(server: &Server, name: &str) -> Vec<u8> {
    let request = v1::ExportPlanRequest { name: name.to_owned() };
    let mut parts = server.plans().await.export_plan(request).await.unwrap().into_inner();
    let mut file = Vec::new();
    let mut size = 0;
    while let Some(part) = parts.message().await.unwrap() {
        size += part.document_bytes;
        file.extend(part.data);
    }
    assert_eq!(file.len() as u64, size);
    file
}

async fn verify(server: &Server, file: &[u8]) -> v1::VerifyPlanResponse {
    let data = |chunk: &[u8]| v1::VerifyPlanRequest {
        source: Some(v1::verify_plan_request::Source::Data(chunk.to_vec())),
    };
    let parts: Vec<_> = file.chunks(10_000).map(data).collect();
    server.plans().await.verify_plan(tokio_stream::iter(parts)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_in_pages_and_streams() {
    let server = Server::in_memory().await;
    import(&server, &province(120)).await;
    let mut plans = server.plans().await;
    let plan = plans.create_plan(create("x")).await.unwrap().into_inner().plan.unwrap();
    let document = server.planner.document(plan.name.strip_prefix("plans/").unwrap()).unwrap();
    let filters = [
        (v1::LineFilter::default(), document.lines.len()),
        (v1::LineFilter { kind: v1::LineKind::Drawn.into(), ..Default::default() }, 38),
        (v1::LineFilter { level: v1::Level::City.into(), kind: 1, ..Default::default() }, 12),
        (v1::LineFilter { authority: "3701".into(), kind: 1, ..Default::default() }, 6),
    ];
    for (filter, expected) in filters {
        let mut paged = Vec::new();
        let mut request = v1::ListPlanLinesRequest {
            plan: plan.name.clone(),
            page_size: 7,
            filter: Some(filter.clone()),
            ..Default::default()
        };
        loop {
            let page = plans.list_plan_lines(request.clone()).await.unwrap().into_inner();
            assert!(page.lines.len() <= 7 && !page.lines.is_empty());
            paged.extend(page.lines);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(paged.len(), expected, "{filter:?}");
        assert!(paged.is_sorted_by(|a, b| a.line < b.line));
        let request = v1::StreamPlanLinesRequest { plan: plan.name.clone(), filter: Some(filter) };
        let mut stream = plans.stream_plan_lines(request).await.unwrap().into_inner();
        let mut streamed = Vec::new();
        while let Some(part) = stream.message().await.unwrap() {
            streamed.extend(part.lines);
        }
        assert_eq!(streamed, paged);
    }
    // A token belongs to its list and filter.
    let mut request =
        v1::ListPlanLinesRequest { plan: plan.name.clone(), page_size: 1, ..Default::default() };
    let page = plans.list_plan_lines(request.clone()).await.unwrap().into_inner();
    request.page_token = page.next_page_token;
    request.filter = Some(v1::LineFilter { kind: 1, ..Default::default() });
    let misused = plans.list_plan_lines(request).await.unwrap_err();
    assert_eq!(misused.code(), Code::InvalidArgument);

    let request = v1::ListAllocationRequest { plan: plan.name.clone(), ..Default::default() };
    let allocation = plans.list_allocation(request).await.unwrap().into_inner().authorities;
    assert_eq!(allocation.len(), 1 + 2 + 4);
    assert_eq!(allocation.iter().map(|row| row.batches).sum::<u64>(), 38);
    let request = v1::GetComplianceRequest { plan: plan.name, ..Default::default() };
    let compliance = plans.get_compliance(request).await.unwrap().into_inner();
    assert_eq!(compliance.rows.len() as u64, plan.compliance_rows);
    assert!(compliance.rows.iter().all(|row| row.holds));
    assert_eq!(compliance.waves.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drawing_tells_its_stages() {
    let server = Server::in_memory().await;
    import(&server, &province(40)).await;
    let request = v1::DrawPlanRequest { create: Some(create("x")) };
    let mut events = server.plans().await.draw_plan(request).await.unwrap().into_inner();
    let (mut stages, mut plan) = (Vec::new(), None);
    while let Some(event) = events.message().await.unwrap() {
        assert!(plan.is_none(), "the plan comes last");
        match event.event.unwrap() {
            v1::draw_plan_response::Event::Stage(stage) => stages.push(stage),
            v1::draw_plan_response::Event::Created(created) => plan = created.plan,
        }
    }
    assert_eq!(stages.first().map(String::as_str), Some("frame"));
    assert_eq!(stages.last().map(String::as_str), Some("storing"));
    assert_eq!(plan.unwrap().batches, 38);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_and_where() {
    let server = Server::in_memory().await;
    let mut plans = server.plans().await;
    let nothing = plans.create_plan(create("x")).await.unwrap_err();
    assert_eq!(
        (nothing.code(), &*reason(&nothing)),
        (Code::FailedPrecondition, "NOTHING_IMPORTED")
    );

    let mut tables = province(10);
    tables.enterprises += "E00011,x,asleep,370101,urban,A,,0\n";
    tables.supply += "E99999,P0,production\n";
    let requests = tokio_stream::iter(messages(header(), &tables));
    let bad = server.registry().await.import(requests).await.unwrap_err();
    assert_eq!((bad.code(), &*reason(&bad)), (Code::InvalidArgument, "BAD_ROWS"));
    let details = bad.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "enterprises.csv:12 status");
    assert!(violations[0].description.contains("asleep"), "{violations:?}");

    import(&server, &province(40)).await;
    let mut wrong = create("x");
    let mut message = policy();
    message.quota[0].min = None;
    message.quota[0].hardness = "soft".to_owned();
    wrong.source = Some(v1::create_plan_request::Source::Policy(message));
    let wrong = plans.create_plan(wrong).await.unwrap_err();
    assert_eq!((wrong.code(), &*reason(&wrong)), (Code::InvalidArgument, "BAD_POLICY"));
    let details = wrong.get_error_details();
    let fields = &details.bad_request().unwrap().field_violations;
    assert!(fields.iter().any(|v| v.field == "policy.quota[0].hardness"), "{fields:?}");

    let mut greedy = policy();
    greedy.budget.as_mut().unwrap().county.as_mut().unwrap().total = 1_000;
    let source = Some(v1::create_plan_request::Source::Policy(greedy));
    let greedy = v1::CreatePlanRequest { source, ..create("x") };
    let refused = plans.create_plan(greedy).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::FailedPrecondition, "INFEASIBLE"));
    let details = refused.get_error_details();
    assert!(!details.precondition_failure().unwrap().violations.is_empty());

    let seed = plans.create_plan(create(" outer space")).await.unwrap_err();
    assert_eq!((seed.code(), &*reason(&seed)), (Code::InvalidArgument, "BAD_SEED"));
    for name in ["plans/none-000000000000", "plans/none"] {
        let request = v1::GetPlanRequest { name: name.to_owned() };
        let code = plans.get_plan(request).await.unwrap_err().code();
        assert_eq!(code, if name.len() > 12 { Code::NotFound } else { Code::InvalidArgument });
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_quotas_can_be_met_is_asked_before_drawing() {
    use v1::check_feasibility_request::Source;
    let server = Server::in_memory().await;
    import(&server, &province(120)).await;
    let mut plans = server.plans().await;
    let ask = |source, revision: &str| v1::CheckFeasibilityRequest {
        source,
        revision: revision.to_owned(),
    };
    let fine = ask(Some(Source::Policy(policy())), "");
    let fine = plans.check_feasibility(fine).await.unwrap().into_inner();
    assert_eq!(fine.verdict(), v1::FeasibilityVerdict::Feasible);
    assert_eq!(fine.proof(), v1::FeasibilityProof::Certificate);
    assert_eq!((fine.batches, fine.units), (38, 200));
    assert_eq!(fine.rows.len() as u64, fine.row_count);
    let room = |row: &v1::RowRoom| row.guaranteed_low <= row.guaranteed_high;
    assert!(fine.row_count > 0 && fine.rows.iter().all(room), "{fine:?}");

    // The same of a frame that is frozen already.
    let mut frames = server.frames().await;
    let request = v1::FreezeFrameRequest { policy: Some(policy()), ..Default::default() };
    let frame = frames.freeze_frame(request).await.unwrap().into_inner().frame.unwrap();
    let of_frame = ask(Some(Source::Frame(frame.name)), "");
    let of_frame = plans.check_feasibility(of_frame).await.unwrap().into_inner();
    assert_eq!(of_frame, fine);

    // Too much: the answer names what clashes, and a draw is refused in the same words.
    let mut greedy = policy();
    let mut others = greedy.quota[0].clone();
    others.name = "others".to_owned();
    others.hardness = "hard".to_owned();
    others.r#where =
        [("key".to_owned(), v1::PolicyValues { values: vec!["false".to_owned()] })].into();
    others.min =
        Some(v1::PolicyAmount { amount: Some(v1::policy_amount::Amount::Share("95%".to_owned())) });
    greedy.quota.push(others);
    let asked = ask(Some(Source::Policy(greedy.clone())), "revisions/1");
    let refused = plans.check_feasibility(asked).await.unwrap().into_inner();
    assert_eq!(refused.verdict(), v1::FeasibilityVerdict::Infeasible, "{refused:?}");
    assert!(!refused.sentences_en.is_empty() && !refused.sentences_zh.is_empty());
    assert!(!refused.places.is_empty(), "{refused:?}");
    let source = Some(v1::create_plan_request::Source::Policy(greedy));
    let create = v1::CreatePlanRequest { source, ..create("x") };
    let status = plans.create_plan(create).await.unwrap_err();
    let details = status.get_error_details();
    let violations = &details.precondition_failure().unwrap().violations;
    let said = |text: &String| violations.iter().any(|v| v.description.contains(text.as_str()));
    assert!(refused.sentences_en.iter().all(said), "{violations:?} {refused:?}");

    for (wrong, code) in [
        (ask(None, ""), Code::InvalidArgument),
        (ask(Some(Source::Frame("frames/x".to_owned())), ""), Code::InvalidArgument),
        (ask(Some(Source::Policy(policy())), "revisions/9"), Code::NotFound),
    ] {
        assert_eq!(plans.check_feasibility(wrong).await.unwrap_err().code(), code);
    }
    let list = plans.list_plans(v1::ListPlansRequest::default()).await.unwrap().into_inner();
    assert!(list.plans.is_empty());
    server.stop().await;
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_needs_a_reason() {
    let server = Server::in_memory().await;
    import(&server, &province(40)).await;
    let mut plans = server.plans().await;
    let first = plans.create_plan(create("1")).await.unwrap().into_inner().plan.unwrap();
    let refused = plans.create_plan(create("2")).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::FailedPrecondition, "ALREADY_DRAWN"));
    let supersedes = first.name.clone();
    let unreasoned = v1::CreatePlanRequest { supersedes: supersedes.clone(), ..create("2") };
    let refused = plans.create_plan(unreasoned).await.unwrap_err();
    assert_eq!(reason(&refused), "BAD_REASON");
    let reason = "骰子掉到桌下".to_owned();
    let request = v1::CreatePlanRequest { supersedes, reason, ..create("2") };
    let second = plans.create_plan(request).await.unwrap().into_inner().plan.unwrap();
    assert_eq!(second.supersedes, first.name);
    let request = v1::GetPlanRequest { name: first.name };
    let first = plans.get_plan(request).await.unwrap().into_inner().plan.unwrap();
    assert_eq!(first.state(), v1::PlanState::Superseded);
    assert_eq!(first.superseded_by, second.name);
    let mut names = Vec::new();
    let mut request = v1::ListPlansRequest { page_size: 1, ..Default::default() };
    loop {
        let page = plans.list_plans(request.clone()).await.unwrap().into_inner();
        names.extend(page.plans.into_iter().map(|plan| plan.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let mut expected = vec![first.name, second.name];
    expected.sort();
    assert_eq!(names, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_is_the_header() {
    let server = Server::in_memory().await;
    let mut registry = server.registry().await;
    let rows = || part(Part::Rows(v1::ImportRows::default()));
    let no_header = registry.import(tokio_stream::iter([rows()])).await.unwrap_err();
    assert_eq!(no_header.code(), Code::InvalidArgument);
    let twice = [part(Part::Header(header())), part(Part::Header(header()))];
    let twice = registry.import(tokio_stream::iter(twice)).await.unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument);
    let wrong = v1::ImportHeader { base_revision: "12".into(), ..header() };
    let wrong = registry.import(tokio_stream::iter([part(Part::Header(wrong))])).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let ahead = v1::ImportHeader { base_revision: "revisions/3".into(), ..header() };
    let ahead = registry.import(tokio_stream::iter([part(Part::Header(ahead))])).await.unwrap_err();
    assert_eq!((ahead.code(), &*reason(&ahead)), (Code::Aborted, "REVISION_CONFLICT"));
    server.stop().await;
}
