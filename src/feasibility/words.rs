//! What an answer says, in English and in Chinese.

use crate::design::{Clash, Refusal, Side, Verdict};
use crate::model::Level;
use crate::policy::{Bound, Hardness};

use super::{
    ClashingRule, Explanation, Feasible, Place, Proof, Reach, Remedy, RuleKind, Step, Tables,
};

/// A language of sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

use Language::{En, Zh};

/// A number with its thousands apart.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn hundredths(n: u64) -> String {
    if n.is_multiple_of(100) {
        number(n / 100)
    } else {
        format!("{}.{:02}", number(n / 100), n % 100)
    }
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Batches(n) => number(n),
        Bound::Share(share) => share.to_string(),
    }
}

fn sign(side: Side) -> &'static str {
    if side == Side::Min { "≥" } else { "≤" }
}

fn level(level: Level, language: Language) -> &'static str {
    match (level, language) {
        (Level::Province, En) => "provincial",
        (Level::City, En) => "municipal",
        (Level::County, En) => "county",
        (Level::Province, Zh) => "省级",
        (Level::City, Zh) => "市级",
        (Level::County, Zh) => "县级",
    }
}

/// A grouping in words; nothing for the plan as a whole and for levels, which are told otherwise.
fn scope(scope: &str, language: Language) -> String {
    let each = |dim: &str| -> String {
        let (en, zh) = match dim {
            "authority" => ("by each authority", "各机构"),
            "city" => ("in each city", "各市"),
            "county" => ("in each county", "各县"),
            "area" => ("for each area", "各城乡类别"),
            "channel" => ("for each channel", "各抽样领域"),
            "product" => ("for each product", "各产品"),
            "category" => ("for each category", "各产品类别"),
            "key_group" => ("for each key group", "各重点产品组"),
            "tier" => ("for each tier", "各风险等级"),
            "risk" => ("for each product risk", "各产品风险"),
            "cluster" => ("for each cluster", "各产业集群"),
            "plan" | "level" | "" => ("", ""),
            other => {
                return match language {
                    En => format!("for each {other}"),
                    Zh => format!("各{other}"),
                };
            }
        };
        if language == En { en } else { zh }.to_owned()
    };
    let parts: Vec<String> = scope.split('/').map(each).filter(|part| !part.is_empty()).collect();
    parts.join(if language == En { " " } else { "、" })
}

impl ClashingRule {
    /// The rule in words.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let of = self.of.iter().map(|name| quoted(name, language)).collect::<Vec<_>>();
        match self.kind {
            RuleKind::Budget => {
                let whose = self.level.map_or("", |l| level(l, language));
                match language {
                    En => format!("the {whose} budget ({} batches)", number(self.batches)),
                    Zh => format!("{whose}批次预算({}批次)", number(self.batches)),
                }
            }
            RuleKind::Units => match language {
                En if of.is_empty() => {
                    format!("the number of eligible units ({})", number(self.batches))
                }
                En => format!(
                    "the number of units that count for {} ({})",
                    of.join(" and "),
                    number(self.batches)
                ),
                Zh if of.is_empty() => format!("可抽单元数({})", number(self.batches)),
                Zh => format!("计入{}的可抽单元数({})", of.join("和"), number(self.batches)),
            },
            RuleKind::Certain => match language {
                En => format!("the units that must all be taken ({})", number(self.batches)),
                Zh => format!("必抽单元({}批次)", number(self.batches)),
            },
            RuleKind::NobodyAtZero => match language {
                En if self.batches == 0 => "that no eligible unit is exempt".to_owned(),
                En => format!(
                    "every unit's least probability (nobody is exempt; {} batches)",
                    number(self.batches)
                ),
                Zh if self.batches == 0 => "任何可抽单元都不免抽".to_owned(),
                Zh => format!("不免抽的最低入样概率({}批次)", number(self.batches)),
            },
            RuleKind::Quota(kind) => {
                let name = quoted(&self.quota, language);
                let whose = self.level.map_or("", |l| level(l, language));
                let each = scope(&self.scope, language);
                let asked = self.asked.trim_end_matches(" of units");
                let units = match (self.asked.ends_with(" of units"), language) {
                    (false, _) => "",
                    (true, En) => " of units",
                    (true, Zh) => "(按单元数)",
                };
                let sign = sign(kind.side());
                let mut text = String::new();
                match language {
                    En => {
                        if !whose.is_empty() {
                            text = format!("{whose} ");
                        }
                        text.push_str(&name);
                        if !each.is_empty() {
                            text.push_str(&format!(" {each}"));
                        }
                    }
                    Zh => {
                        text.push_str(whose);
                        text.push_str(&each);
                        text.push_str(&name);
                    }
                }
                text.push_str(&format!(" {sign} {asked}{units}"));
                if self.batches > 0 && (self.rows > 1 || asked.ends_with('%')) {
                    match language {
                        En if self.rows > 1 => text.push_str(&format!(
                            " ({} batches over {} rows)",
                            number(self.batches),
                            self.rows
                        )),
                        Zh if self.rows > 1 => text.push_str(&format!(
                            "({}行共{}批次)",
                            self.rows,
                            number(self.batches)
                        )),
                        En => text.push_str(&format!(" ({} batches)", number(self.batches))),
                        Zh => text.push_str(&format!("({}批次)", number(self.batches))),
                    }
                }
                if self.hardness == Some(Hardness::Legal) {
                    text.push_str(if language == En { " [legal]" } else { "〔法定〕" });
                }
                text
            }
        }
    }
}

fn quoted(name: &str, language: Language) -> String {
    if language == En { format!("`{name}`") } else { format!("“{name}”") }
}

fn list(items: &[String], language: Language) -> String {
    match (items, language) {
        ([], _) => String::new(),
        ([one], _) => one.clone(),
        ([first @ .., last], En) => format!("{} and {last}", first.join(", ")),
        ([first @ .., last], Zh) => format!("{}和{last}", first.join("、")),
    }
}

impl Reach {
    /// In words.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let name = quoted(&self.quota, language);
        let limit = match self.batches {
            Some(n) if matches!(self.limit, Bound::Share(_)) => {
                format!("{} ({})", number(n), bound(self.limit))
            }
            _ => bound(self.limit),
        };
        match (self.kind.side(), language) {
            (Side::Min, En) => {
                format!("At most {limit} of {name} can be reached with the others kept.")
            }
            (Side::Max, En) => {
                format!("{name} cannot be kept below {limit} with the others kept.")
            }
            (Side::Min, Zh) => format!("其他要求不变时,{name}最多达到{limit}。"),
            (Side::Max, Zh) => format!("其他要求不变时,{name}最低只能降到{limit}。"),
        }
    }
}

impl Remedy {
    /// In words, without a full stop.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let steps: Vec<String> = self.steps.iter().map(|step| step_words(step, language)).collect();
        list(&steps, language)
    }
}

fn step_words(step: &Step, language: Language) -> String {
    match step {
        Step::Bound { quota, kind, from, to } => {
            let name = quoted(quota, language);
            let (from, to) = (bound(*from), bound(*to));
            match (kind.side(), language) {
                (Side::Min, En) => format!("lower {name} from {from} to {to}"),
                (Side::Max, En) => format!("raise the maximum of {name} from {from} to {to}"),
                (Side::Min, Zh) => format!("把{name}从{from}降到{to}"),
                (Side::Max, Zh) => format!("把{name}的上限从{from}提高到{to}"),
            }
        }
        Step::Budget { level: whose, from, to } => {
            let whose = level(*whose, language);
            let (from, to) = (number(*from), number(*to));
            match language {
                En => format!("change the {whose} budget from {from} to {to} batches"),
                Zh => format!("把{whose}批次预算从{from}改为{to}"),
            }
        }
        Step::Units { more, of, counties } => {
            let of: Vec<String> = of.iter().map(|name| quoted(name, language)).collect();
            let codes: Vec<String> = counties.iter().map(|(code, _)| code.to_string()).collect();
            match language {
                En => format!(
                    "bring {} more eligible units{} into the frame in {}",
                    number(*more),
                    if of.is_empty() {
                        String::new()
                    } else {
                        format!(" for {}", of.join(" and "))
                    },
                    list(&codes, En)
                ),
                Zh => format!(
                    "在{}增加{}个{}可抽单元",
                    list(&codes, Zh),
                    number(*more),
                    if of.is_empty() {
                        String::new()
                    } else {
                        format!("计入{}的", of.join("和"))
                    }
                ),
            }
        }
    }
}

impl Explanation {
    /// The answer as sentences: what clashes, how far each can be met, what would do.
    #[must_use]
    pub fn sentences(&self, language: Language) -> Vec<String> {
        let mut said = Vec::new();
        let rules: Vec<String> = self.rules.iter().map(|rule| rule.words(language)).collect();
        let apart = match (self.apart, language) {
            (0, En) => "less than 0.01".to_owned(),
            (0, Zh) => "不到0.01".to_owned(),
            (apart, _) => hundredths(apart),
        };
        match (rules.as_slice(), language) {
            ([], _) => said.extend(self.without_rules(language)),
            ([one], En) => {
                said.push(format!("{} cannot be met: {apart} batches lack.", capital(one)));
            }
            ([one], Zh) => said.push(format!("{one}无法满足:缺{apart}批次。")),
            ([first, others @ ..], En) => said.push(format!(
                "{} clashes with {}: together they are {apart} batches apart.",
                capital(first),
                list(others, En)
            )),
            ([first, others @ ..], Zh) => {
                said.push(format!("{first}与{}相冲突,合计相差{apart}批次。", list(others, Zh)));
            }
        }
        said.extend(self.reaches.iter().map(|reach| reach.words(language)));
        let remedies: Vec<String> =
            self.remedies.iter().map(|remedy| remedy.words(language)).collect();
        if !remedies.is_empty() {
            said.push(match language {
                En => format!("Options: {}.", remedies.join("; or ")),
                Zh => format!("可选办法:{}。", remedies.join(";或")),
            });
        } else if !matches!(self.proof, Proof::Arithmetic | Proof::Cut) {
            said.push(
                match language {
                    En => "No single change was found that would do.",
                    Zh => "没有找到单独可行的调整办法。",
                }
                .to_owned(),
            );
        }
        said
    }

    fn without_rules(&self, language: Language) -> Option<String> {
        let said = match (&self.tables, language) {
            (Some(Tables::None), En) => {
                "Shares of batches could keep the quotas, but no table of whole batches does: all \
                 were searched."
                    .to_owned()
            }
            (Some(Tables::None), Zh) => {
                "按小数分配可以满足各项要求,但整数批次的分配表不存在(已穷尽)。".to_owned()
            }
            (Some(Tables::NoneWithAll { units }), En) => format!(
                "Tables of whole batches keep the quotas, but {} units are in none of them and could \
                 never be drawn: all were searched.",
                number(*units)
            ),
            (Some(Tables::NoneWithAll { units }), Zh) => format!(
                "整数批次的分配表存在,但有{}个单元在任何一张表中都抽不到(已穷尽)。",
                number(*units)
            ),
            (Some(Tables::Some), En) => {
                "Tables of whole batches that keep the quotas exist, but no design was found whose \
                 every draw is one: the quotas leave rounding too little room."
                    .to_owned()
            }
            (Some(Tables::Some), Zh) => "满足要求的整数批次分配表存在,但没有找到每次抽取都能满足要求的\
                                         方案:各项要求给取整留的余地太小。"
                .to_owned(),
            (Some(Tables::Unknown), En) => {
                "Shares of batches could keep the quotas as far as could be tried; no design was \
                 certified, and whether whole batches can is not known."
                    .to_owned()
            }
            (Some(Tables::Unknown), Zh) => {
                "就已试算的范围,按小数分配可以满足各项要求;没有方案通过认证,整数批次能否满足尚不清楚。"
                    .to_owned()
            }
            (None, En) => match self.verdict {
                Verdict::Infeasible => {
                    let place = |place: &Place| Clash::from(place.clone()).to_string();
                    let first: Vec<String> = self.places.iter().take(3).map(place).collect();
                    format!("Cannot be kept: {}.", first.join("; "))
                }
                Verdict::NotCertified => return None,
            },
            (None, Zh) => match self.verdict {
                Verdict::Infeasible => "下列要求不能同时满足。".to_owned(),
                Verdict::NotCertified => return None,
            },
        };
        Some(said)
    }

    /// The explanation as a refusal: sentences, rules, places.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let mut clashes = Vec::new();
        for (rule, language) in [("in short", En), ("简述", Zh)] {
            let said = self.sentences(language).join(if language == En { " " } else { "" });
            clashes.push(Clash::new(rule, "", "", said));
        }
        for rule in &self.rules {
            let name = match rule.kind {
                RuleKind::Quota(_) => rule.quota.as_str(),
                RuleKind::Budget => "budget",
                RuleKind::Units => "units",
                RuleKind::Certain => "certain",
                RuleKind::NobodyAtZero => "nobody at zero",
            };
            let group = rule.level.map_or("", Level::as_str);
            clashes.push(Clash::new(name, &rule.scope, group, rule.words(En)));
        }
        clashes.extend(self.places.iter().cloned().map(Clash::from));
        let hidden = self.place_count - self.places.len();
        let mut refusal = match self.verdict {
            Verdict::Infeasible => Refusal::infeasible(clashes),
            Verdict::NotCertified => Refusal::not_certified(clashes),
        };
        refusal.clash_count += hidden;
        refusal
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

impl Feasible {
    /// The answer as sentences.
    #[must_use]
    pub fn sentences(&self, language: Language) -> Vec<String> {
        let moved = hundredths(self.distance.moved);
        let (batches, units, rows) =
            (number(self.batches), number(self.units), number(self.rows as u64));
        let mut said = vec![match language {
            En => format!(
                "CERTIFIED: {batches} batches from {units} eligible units keep {rows} quota rows in \
                 every draw. The quotas move {moved} batches away from what risk alone would ask for."
            ),
            Zh => format!(
                "认证通过:{units}个可抽单元中抽{batches}批次,任何一次抽取都满足{rows}行要求。各项要求使\
                 {moved}批次偏离按风险比例的分配。"
            ),
        }];
        for price in self.distance.quotas.iter().filter(|price| price.moved > 0) {
            let name = quoted(&price.quota, language);
            let (from, to) = price.factors;
            let factor = |f: u64| format!("{}.{:02}", f / 10_000, f % 10_000 / 100);
            let (from, to, moved) = (factor(from), factor(to), hundredths(price.moved));
            let (binding, rows) = (price.binding, price.rows);
            said.push(match language {
                En => format!(
                    "{name}: {binding} of {rows} rows bind, probabilities are multiplied by {from} to \
                     {to}, {moved} batches moved."
                ),
                Zh => format!(
                    "{name}:{rows}行中{binding}行起约束作用,入样概率乘以{from}至{to},移动{moved}批次。"
                ),
            });
        }
        said
    }
}
