//! Bundles: what auditors, counties and the public can check offline.

use super::{Planner, PlannerError};
use crate::audit::bundle::{self, History, Members};
use crate::model::{Date, DivisionCode};

/// For whom a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleForm {
    /// For auditors: the whole plan.
    Whole,
    /// For a county: her part, without any unit of another one.
    County(DivisionCode),
    /// For everybody, with the lines of waves that ended by a day.
    Public(Option<Date>),
}

impl Planner {
    /// The bundle of a plan in some form.
    ///
    /// # Errors
    /// If there is no such plan or county, or the store cannot be read.
    pub fn bundle(&self, id: &str, form: BundleForm) -> Result<Vec<u8>, PlannerError> {
        let record = self.plan_record(id)?;
        let failed = |error: &dyn std::fmt::Display| PlannerError::damaged("the log", error);
        let (ledger, checkpoint) = self.log().ok_or_else(|| failed(&"it is empty"))?;
        let size = usize::try_from(ledger.len()).unwrap_or(usize::MAX);
        let entries = self.log_entries(0, size)?;
        let history = History { note: record.note.clone(), entries, checkpoint };
        let (name, members) = match form {
            BundleForm::Whole => {
                let parts = bundle::Parts {
                    plan: self.document_bytes(id)?,
                    history,
                    replacements: self.opened_replacements(id, ledger.len())?,
                };
                ("whole".to_owned(), bundle::members(parts))
            }
            BundleForm::County(county) => {
                (format!("county/{county}"), self.county_members(id, county, history)?)
            }
            BundleForm::Public(until) => {
                let document = self.document(id)?;
                let policy = self.policy(&self.frame_record(&record.frame)?)?;
                let roll = self.roll(&record.frame)?;
                let replaced = ledger.replaced(id);
                let public = bundle::public_part(&document, &policy, &roll, replaced, until);
                ("public".to_owned(), bundle::public_members(history, &public))
            }
        };
        let key = self.registrar.key(&self.book)?;
        bundle::pack(&name, id, &members, |manifest| key.bundle_note(manifest))
            .map_err(|error| failed(&error))
    }

    fn county_members(
        &self,
        id: &str,
        county: DivisionCode,
        history: History,
    ) -> Result<Members, PlannerError> {
        let record = self.plan_record(id)?;
        let document = self.document(id)?;
        let policy = self.policy(&self.frame_record(&record.frame)?)?;
        let (frame, roll) = (self.frame(&record.frame)?, self.roll(&record.frame)?);
        let part = bundle::county_part(&document, &policy, &frame, &roll, county, self.threads());
        let missing =
            || PlannerError::NotFound { kind: "county", name: format!("{county} in plan {id}") };
        Ok(bundle::county_members(history, &part.ok_or_else(missing)?))
    }
}
