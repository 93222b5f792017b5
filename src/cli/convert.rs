//! The client's half of the messages: what is asked is made here, what is answered is read here,
//! so that nothing else of the command line depends on how a message looks.

use std::collections::BTreeMap;

use crate::model::{Area, Channel, Digest, IdScheme, Level};
use crate::plan::Line;
use crate::registry::{AnyInput, Counts, Mode, Table};
use crate::service::convert::{level, policy_message, table_message};
use crate::service::v1;

use super::backend::{Drawn, ImportOrder, Imported, LineFilter, PlanOrder, PlanRecord, plan_id};
use super::failure::Failure;
use super::steps::resource;
use super::table::grouped;

/// The header of an import of `tables`.
pub(super) fn import_header(order: &ImportOrder, tables: &[Table]) -> v1::ImportRequest {
    let id_scheme = match order.scheme {
        IdScheme::Uscc => v1::IdScheme::Uscc,
        IdScheme::Opaque => v1::IdScheme::Opaque,
    };
    let mode = match order.mode {
        Mode::Replace => v1::ImportMode::Replace,
        Mode::Upsert => v1::ImportMode::Upsert,
    };
    let header = v1::ImportHeader {
        id_scheme: id_scheme.into(),
        mode: mode.into(),
        tables: tables.iter().map(|table| table_message(*table).into()).collect(),
        base_revision: order.base.map(|number| format!("revisions/{number}")).unwrap_or_default(),
        request_id: String::new(),
    };
    v1::ImportRequest { part: Some(v1::import_request::Part::Header(header)) }
}

/// A message of rows.
pub(super) fn import_rows(rows: v1::ImportRows) -> v1::ImportRequest {
    v1::ImportRequest { part: Some(v1::import_request::Part::Rows(rows)) }
}

/// The last message of an import: so many rows have been sent.
pub(super) fn import_end(rows: u64) -> v1::ImportRequest {
    v1::ImportRequest { part: Some(v1::import_request::Part::End(v1::ImportEnd { rows })) }
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Adds a row to a message; returns about how many bytes it takes.
pub(super) fn add_row(rows: &mut v1::ImportRows, row: u64, input: &AnyInput<'_>) -> usize {
    use prost::Message as _;
    match input {
        AnyInput::Division(i) => {
            let message = v1::DivisionRow {
                row,
                code: i.code.into(),
                name: i.name.into(),
                level: i.level.into(),
                parent_code: i.parent_code.into(),
                kind: i.kind.into(),
                delete: i.delete,
            };
            push(&mut rows.divisions, message.encoded_len(), message)
        }
        AnyInput::Product(i) => {
            let message = v1::ProductRow {
                row,
                product_id: i.product_id.into(),
                name: i.name.into(),
                name_en: i.name_en.into(),
                category: i.category.into(),
                key: i.key.into(),
                key_group: i.key_group.into(),
                risk: i.risk.into(),
                licence: i.licence.into(),
                ccc: i.ccc.into(),
                standards: i.standards.into(),
                items: i.items.into(),
                test_quantity: i.test_quantity.into(),
                reserve_quantity: i.reserve_quantity.into(),
                quantity_unit: i.quantity_unit.into(),
                channels: i.channels.into(),
                levels: i.levels.into(),
                attributes: attributes(i.attributes),
                delete: i.delete,
            };
            push(&mut rows.products, message.encoded_len(), message)
        }
        AnyInput::Enterprise(i) => {
            let message = v1::EnterpriseRow {
                row,
                enterprise_id: i.enterprise_id.into(),
                name: i.name.into(),
                status: i.status.into(),
                division: i.division.into(),
                area: i.area.into(),
                credit_class: i.credit_class.into(),
                cluster: i.cluster.into(),
                accidents: i.accidents.into(),
                attributes: attributes(i.attributes),
                delete: i.delete,
            };
            push(&mut rows.enterprises, message.encoded_len(), message)
        }
        AnyInput::Supply(i) => {
            let message = v1::SupplyRow {
                row,
                enterprise_id: i.enterprise_id.into(),
                product_id: i.product_id.into(),
                channel: i.channel.into(),
                platform: i.platform.into(),
                sale_division: i.sale_division.into(),
                delete: i.delete,
            };
            push(&mut rows.supply, message.encoded_len(), message)
        }
        AnyInput::Tier(i) => {
            let message = v1::TierRow {
                row,
                enterprise_id: i.enterprise_id.into(),
                product_id: i.product_id.into(),
                tier: i.tier.into(),
                valid_from: i.valid_from.into(),
                delete: i.delete,
            };
            push(&mut rows.tiers, message.encoded_len(), message)
        }
        AnyInput::History(i) => {
            let message = v1::HistoryRow {
                row,
                enterprise_id: i.enterprise_id.into(),
                product_id: i.product_id.into(),
                level: i.level.into(),
                authority: i.authority.into(),
                sampled_on: i.sampled_on.into(),
                outcome: i.outcome.into(),
                delete: i.delete,
            };
            push(&mut rows.history, message.encoded_len(), message)
        }
    }
}

fn push<T>(list: &mut Vec<T>, bytes: usize, message: T) -> usize {
    list.push(message);
    bytes
}

/// The answer to an import.
pub(super) fn imported(response: v1::ImportResponse) -> Result<Imported, Failure> {
    let revision = response.revision.ok_or_else(|| odd("an import without its revision"))?;
    let counts = revision.counts.unwrap_or_default();
    Ok(Imported {
        number: revision.number,
        digest: revision.digest,
        counts: Counts {
            divisions: counts.divisions,
            products: counts.products,
            enterprises: counts.enterprises,
            supply: counts.supply,
            tiers: counts.tiers,
            history: counts.history,
        },
        unchanged: response.unchanged,
    })
}

/// Asks for a plan on the latest revision.
pub(super) fn draw_request(order: &PlanOrder) -> v1::DrawPlanRequest {
    let (supersedes, reason) = match &order.supersedes {
        Some((plan, reason)) => (resource(plan), reason.clone()),
        None => Default::default(),
    };
    let create = v1::CreatePlanRequest {
        source: Some(v1::create_plan_request::Source::Policy(policy_message(order.draft.clone()))),
        revision: String::new(),
        seed_text: order.seed_text.clone(),
        supersedes,
        reason,
        request_id: String::new(),
    };
    v1::DrawPlanRequest { create: Some(create) }
}

/// Asks for the frame of the latest revision.
pub(super) fn freeze_request(order: &PlanOrder) -> v1::FreezeFrameRequest {
    v1::FreezeFrameRequest {
        policy: Some(policy_message(order.draft.clone())),
        ..Default::default()
    }
}

/// What is said of a frozen frame.
pub(super) fn frozen(response: v1::FreezeFrameResponse) -> Result<String, Failure> {
    let frame = response.frame.ok_or_else(|| odd("a freeze without its frame"))?;
    Ok(format!(
        "digest    {}\neligible  {} units of {} enterprises in {} cells\nexcluded  {} units\n",
        frame.digest,
        grouped(frame.units),
        grouped(frame.enterprises),
        grouped(frame.cells),
        grouped(frame.excluded_units)
    ))
}

/// What a server tells while it draws.
pub(super) enum Event {
    /// A stage begins.
    Stage(String),
    /// The plan.
    Drawn(Box<Drawn>),
}

/// A message of a draw; none if it says nothing.
pub(super) fn event(response: v1::DrawPlanResponse) -> Result<Option<Event>, Failure> {
    use v1::draw_plan_response::Event as Message;
    match response.event {
        None => Ok(None),
        Some(Message::Stage(name)) => Ok(Some(Event::Stage(name))),
        Some(Message::Created(created)) => {
            let plan = created.plan.ok_or_else(|| odd("a draw without its plan"))?;
            let drawn = Drawn { plan: record(plan), existing: created.existing };
            Ok(Some(Event::Drawn(Box::new(drawn))))
        }
    }
}

/// What is on record of a plan.
pub(super) fn record(plan: v1::Plan) -> PlanRecord {
    let id = |name: &str| plan_id(name).to_owned();
    PlanRecord {
        id: id(&plan.name),
        title: plan.title,
        drawn_at: plan
            .create_time
            .and_then(|time| jiff::Timestamp::from_second(time.seconds).ok())
            .map(|time| time.to_string())
            .unwrap_or_default(),
        units: plan.units,
        batches: plan.batches,
        replacements: plan.replacements,
        replacement_shortfall: plan.replacement_shortfall,
        rows: plan.compliance_rows,
        rows_missed: plan.compliance_missed,
        digest: plan.document_digest,
        supersedes: id(&plan.supersedes),
        superseded_by: id(&plan.superseded_by),
        state: match v1::PlanState::try_from(plan.state) {
            Ok(v1::PlanState::Drawn) => "drawn",
            Ok(v1::PlanState::Issued) => "issued",
            Ok(v1::PlanState::Superseded) => "superseded",
            Ok(v1::PlanState::Void) => "void",
            _ => "unknown",
        },
        draw_number: plan.draw_number,
        unprotected: plan.seed.is_none_or(|seed| !seed.protected),
    }
}

/// Asks for lines.
pub(super) fn lines_request(plan: &str, filter: LineFilter) -> v1::StreamPlanLinesRequest {
    let level = filter.level.map_or(v1::Level::Unspecified, level);
    let filter = v1::LineFilter {
        level: level.into(),
        authority: filter.authority.map(|code| code.to_string()).unwrap_or_default(),
        kind: v1::LineKind::Unspecified.into(),
    };
    v1::StreamPlanLinesRequest { plan: format!("plans/{plan}"), filter: Some(filter) }
}

/// A line.
pub(super) fn line(line: v1::PlanLine) -> Result<Line, Failure> {
    let level = match line.level() {
        v1::Level::Province => Level::Province,
        v1::Level::City => Level::City,
        v1::Level::County => Level::County,
        v1::Level::Unspecified => return Err(odd("a line without a level")),
    };
    let channel = match line.channel() {
        v1::Channel::Production => Channel::Production,
        v1::Channel::Circulation => Channel::Circulation,
        v1::Channel::Online => Channel::Online,
        v1::Channel::Unspecified => return Err(odd("a line without a channel")),
    };
    let area = match line.area() {
        v1::Area::Urban => Area::Urban,
        v1::Area::Rural => Area::Rural,
        v1::Area::Unspecified => return Err(odd("a line without an area")),
    };
    let code = |text: &str| text.parse().map_err(|_| odd("a line with a wrong division code"));
    Ok(Line {
        line: line.line,
        level,
        authority: code(&line.authority)?,
        county: code(&line.county)?,
        lot: line.lot.parse::<Digest>().map_err(|_| odd("a line with a wrong lot"))?,
        channel,
        area,
        enterprise_id: line.enterprise_id,
        product_id: line.product_id,
        tier: line.tier,
        key: line.key,
        wave: line.wave,
        probability: line.probability,
        replacement_rank: line.replacement_rank,
        arc: line.arc,
        cell: line.cell,
        enterprise_name: line.enterprise_name,
        platform: line.platform,
        sale_division: line.sale_division,
    })
}

/// The server answered what no server of this version answers.
pub(super) fn odd(what: &str) -> Failure {
    Failure::other(format_args!("the server sent {what}; is it of another version?"))
}
