//! Bounces (RFC 3464 and others) and complaints (RFC 5965): what a report says, and how bad it is.

/// What a mail that reports on another mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A delivery status notification, standard or not.
    Bounce(BounceReport),
    /// A feedback report: someone pressed "this is spam".
    Complaint(ComplaintReport),
}

/// What happened to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still being tried; not a bounce.
    Delayed,
    /// Delivered, relayed or expanded; not a bounce.
    Delivered,
}

/// How bad a bounce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The address does not exist: 5.1.x, 5.4.4.
    Hard,
    /// May work later: 4.x.x, 5.2.2.
    Soft,
    /// The server refuses us, not them: 5.7.x, reputation. Pauses our account, keeps the address.
    Policy,
    /// Failed, and nothing says why.
    Unknown,
}

/// One recipient of a bounce report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BouncedRecipient {
    /// The address, as reported.
    pub address: String,
    /// What happened.
    pub action: Action,
    /// The enhanced status code (RFC 3463), for instance `5.1.1`.
    pub status: Option<String>,
    /// The other server's words, cut to 500 octets.
    pub diagnostic: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A bounce: its recipients, and which of our mails it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BounceReport {
    /// Per recipient; never empty.
    pub recipients: Vec<BouncedRecipient>,
    /// The Message-ID of the returned mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Our token in the returned mail.
    pub token: Option<String>,
}

/// A complaint: whom to leave alone, and which of our mails it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComplaintReport {
    /// `Original-Rcpt-To`, or else the recipients named in the returned mail.
    pub recipients: Vec<String>,
    /// `Feedback-Type`, lower case: `abuse`, `fraud`, `not-spam`, …
    pub feedback_type: String,
    /// The Message-ID of the returned mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Our token in the returned mail.
    pub token: Option<String>,
}
