//! Pages and streams of what a plan holds: lines, allocation, compliance.

use std::sync::Arc;

use tonic::Status;

use super::identity::Caller;
use super::limits::STREAM_LINES;
use super::registry::{now, required};
use super::{convert, errors, pages, v1};
use crate::model::{DivisionCode, Level, day_in_china};
use crate::plan::{AuthorityRow, Document, Line};
use crate::policy::Policy;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineFilter {
    level: Option<Level>,
    authority: Option<DivisionCode>,
    replacement: Option<bool>,
}

impl LineFilter {
    pub fn new(message: Option<v1::LineFilter>) -> Result<Self, Status> {
        let message = message.unwrap_or_default();
        let level = required("filter.level", convert::level_filter(message.level))?;
        let authority = match message.authority.as_str() {
            "" => None,
            code => Some(code.parse().map_err(|_| {
                errors::field("filter.authority", "must be a division code of 2, 4 or 6 digits")
            })?),
        };
        let replacement = match v1::LineKind::try_from(message.kind) {
            Ok(v1::LineKind::Unspecified) => None,
            Ok(v1::LineKind::Drawn) => Some(false),
            Ok(v1::LineKind::Replacement) => Some(true),
            Err(_) => return Err(errors::field("filter.kind", "must be a kind of line")),
        };
        Ok(LineFilter { level, authority, replacement })
    }

    fn wants(&self, line: &Line) -> bool {
        self.level.is_none_or(|level| line.level == level)
            && self.authority.is_none_or(|authority| line.authority == authority)
            && self.replacement.is_none_or(|wanted| (line.replacement_rank > 0) == wanted)
    }
}

/// Which lines a caller may see.
#[derive(Debug, Clone)]
pub(super) struct LineView {
    caller: Caller,
    /// Lines of later waves are not shown.
    waves: u32,
}

impl LineView {
    /// What a caller sees of a plan today.
    pub fn new(caller: &Caller, document: &Document) -> Self {
        let waves = if caller.waits_for_waves() { waves_begun(document, now()) } else { u32::MAX };
        LineView { caller: caller.clone(), waves }
    }

    fn shows(&self, line: &Line) -> bool {
        line.wave <= self.waves && self.caller.covers(line.authority)
    }
}

/// How many waves of a plan have begun: the first with the period, each further one on the day after
/// the one before.
fn waves_begun(document: &Document, seconds: u64) -> u32 {
    let Ok(policy) = Policy::from_json(&document.policy) else { return 0 };
    let Some(today) = day_in_china(seconds) else { return 0 };
    if today < policy.period.from {
        return 0;
    }
    1 + policy.waves.iter().rev().skip(1).filter(|wave| wave.until < today).count() as u32
}

/// A page of the entries of `all` that are wanted; a token says how many entries it is past.
fn page<'a, T, M>(
    all: &'a [T],
    (list, page_size, page_token): (pages::List, i32, &str),
    wants: impl Fn(&T) -> bool,
    message: impl Fn(&'a T) -> M,
) -> Result<(Vec<M>, String), Status> {
    let size = pages::size(page_size)?;
    let start = list.after_number(page_token)?.unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let mut wanted = all.iter().enumerate().skip(start).filter(|(_, entry)| wants(entry));
    let mut messages = Vec::with_capacity(size.min(all.len()));
    let mut past = start;
    for (at, entry) in wanted.by_ref().take(size) {
        messages.push(message(entry));
        past = at + 1;
    }
    let more = wanted.next().is_some();
    Ok((messages, if more { list.token(&past.to_string()) } else { String::new() }))
}

/// A page of lines.
pub(super) fn lines(
    document: &Document,
    request: &v1::ListPlanLinesRequest,
    view: &LineView,
) -> Result<v1::ListPlanLinesResponse, Status> {
    let filter = LineFilter::new(request.filter.clone())?;
    let list = pages::List::new(&["lines", &request.plan, &format!("{filter:?}")]);
    let paging = (list, request.page_size, request.page_token.as_str());
    let wants = |line: &Line| filter.wants(line) && view.shows(line);
    let (lines, next_page_token) = page(&document.lines, paging, wants, convert::line)?;
    Ok(v1::ListPlanLinesResponse { lines, next_page_token })
}

/// All lines that are wanted, in messages of a stream.
pub(super) fn line_chunks(
    document: Arc<Document>,
    filter: LineFilter,
    view: LineView,
) -> impl Iterator<Item = v1::StreamPlanLinesResponse> + Send {
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut lines = Vec::with_capacity(STREAM_LINES);
        while lines.len() < STREAM_LINES
            && let Some(line) = document.lines.get(at)
        {
            at += 1;
            if filter.wants(line) && view.shows(line) {
                lines.push(convert::line(line));
            }
        }
        (!lines.is_empty()).then_some(v1::StreamPlanLinesResponse { lines })
    })
}

/// A page of the allocation.
pub(super) fn allocation(
    document: &Document,
    request: &v1::ListAllocationRequest,
    caller: &Caller,
) -> Result<v1::ListAllocationResponse, Status> {
    let level = required("level", convert::level_filter(request.level))?;
    let list = pages::List::new(&["allocation", &request.plan, &format!("{level:?}")]);
    let paging = (list, request.page_size, request.page_token.as_str());
    let rows = &document.allocation.authorities;
    let wants = |row: &AuthorityRow| {
        level.is_none_or(|level| row.level == level) && caller.covers(row.authority)
    };
    let (authorities, next_page_token) = page(rows, paging, wants, convert::authority)?;
    Ok(v1::ListAllocationResponse { authorities, next_page_token })
}

/// A page of compliance, with what concerns the plan as a whole.
pub(super) fn compliance(
    document: &Document,
    request: &v1::GetComplianceRequest,
) -> Result<v1::GetComplianceResponse, Status> {
    let quota = request.quota.as_str();
    let list = pages::List::new(&["compliance", &request.plan, quota]);
    let paging = (list, request.page_size, request.page_token.as_str());
    let (rows, next_page_token) = page(
        &document.compliance,
        paging,
        |row| quota.is_empty() || row.quota == quota,
        convert::compliance,
    )?;
    let head = &document.plan;
    Ok(v1::GetComplianceResponse {
        rows,
        next_page_token,
        waves: head.waves.iter().map(convert::wave).collect(),
        price_of_quotas: head.price_of_quotas.iter().map(convert::percentile).collect(),
        remarks: head.remarks.clone(),
    })
}
