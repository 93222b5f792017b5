//! Reasons for which a line may fall out: data of the policy, with a table for policies that have none.

use std::sync::LazyLock;

use super::check::Findings;
use super::draft::DraftReason;
use super::types::{Policy, Reason, ReasonKind};
use crate::model::check_id;

/// Most reasons of a policy.
const REASONS_MAX: usize = 64;

/// The reasons of a policy that names none: code, kind, title.
const USUAL: [(&str, ReasonKind, &str); 9] = [
    ("closed", ReasonKind::OutOfScope, "已关闭、注销或吊销 closed or deregistered"),
    ("moved", ReasonKind::OutOfScope, "已迁出辖区 moved out of the territory"),
    (
        "no-goods",
        ReasonKind::OutOfScope,
        "无待销产品或抽样基数不足 no goods awaiting sale, or too few",
    ),
    (
        "not-made",
        ReasonKind::OutOfScope,
        "不再生产或销售该产品 no longer makes or sells the product",
    ),
    ("other", ReasonKind::NonResponse, "其他，见证据 something else, see the evidence"),
    ("recorded-twice", ReasonKind::OutOfScope, "名录重复 in the registry twice"),
    ("refused", ReasonKind::NonResponse, "拒绝抽样 refused"),
    ("suspended", ReasonKind::NonResponse, "临时停产停业 suspended for the time being"),
    ("unreachable", ReasonKind::NonResponse, "无法联系 cannot be reached"),
];

static USUAL_REASONS: LazyLock<Vec<Reason>> = LazyLock::new(|| {
    let reason = |(code, kind, title): &(&str, ReasonKind, &str)| Reason {
        code: (*code).to_owned(),
        kind: *kind,
        title: (*title).to_owned(),
    };
    USUAL.iter().map(reason).collect()
});

impl Policy {
    /// The reasons for which a line may fall out, ascending by code.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        if self.own_reasons.is_empty() { &USUAL_REASONS } else { &self.own_reasons }
    }

    /// A reason by its code.
    #[must_use]
    pub fn reason(&self, code: &str) -> Option<&Reason> {
        self.reasons().iter().find(|reason| reason.code == code)
    }
}

impl ReasonKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonKind::OutOfScope => "out-of-scope",
            ReasonKind::NonResponse => "non-response",
        }
    }
}

/// Checks a policy's own reasons.
pub(super) fn check(drafts: &[DraftReason], found: &mut Findings) -> Vec<Reason> {
    found.at_most("replacements.reason", drafts.len(), REASONS_MAX, "reasons");
    let mut reasons = Vec::new();
    for (i, draft) in drafts.iter().enumerate().take(REASONS_MAX) {
        let path = |key: &str| format!("replacements.reason[{i}].{key}");
        if check_id(&draft.code).is_err() {
            let expected = "1-64 characters of A-Z a-z 0-9 . _ -, first a letter or digit";
            found.add(&path("code"), &draft.code, expected);
        } else if reasons.iter().any(|reason: &Reason| reason.code == draft.code) {
            found.add(&path("code"), &draft.code, "a code that no other reason has");
        }
        let kind = match draft.kind.as_str() {
            "out-of-scope" => ReasonKind::OutOfScope,
            "non-response" => ReasonKind::NonResponse,
            other => {
                found.add(&path("kind"), other, "out-of-scope or non-response");
                ReasonKind::NonResponse
            }
        };
        found.text(&path("title"), &draft.title);
        let (code, title) = (draft.code.clone(), draft.title.clone());
        reasons.push(Reason { code, kind, title });
    }
    reasons.sort_unstable_by(|a, b| a.code.cmp(&b.code));
    reasons
}
