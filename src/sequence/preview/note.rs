//! What a preview that is really sent says below itself: that it is one, and that its way to unsubscribe does nothing.

use super::Preview;

/// The words below a preview that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

/// What is said below a step that is sent as a preview.
pub fn note(preview: &Preview, step: &str) -> Note {
    let Preview { sequence, influencer, .. } = preview;
    Note(format!(
        "[This is a preview of the step {step} of {sequence}, as {influencer} would get it; it went to you alone. The address \
         to unsubscribe above is a placeholder: it does nothing.]"
    ))
}

impl Note {
    /// The text part, with the note below it.
    pub fn below_text(&self, text: &str) -> String {
        format!("{}\n\n{}\n", text.trim_end(), self.0)
    }

    /// The HTML part, with the note at the end of its body.
    pub fn below_html(&self, page: &str) -> String {
        let note = format!("<p>{}</p>\n", html_escape::encode_text(&self.0));
        match page.rsplit_once("</body>") {
            Some((above, below)) => format!("{above}{note}</body>{below}"),
            None => format!("{page}{note}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Note;

    #[test]
    fn note_stands_at_the_end_of_both_parts_and_is_no_markup() {
        let note = Note("[<b> does nothing]".to_owned());
        assert_eq!(note.below_text("Hello.\n\n"), "Hello.\n\n[<b> does nothing]\n");
        let page = note.below_html("<html><body><p>x</p></body></html>");
        assert_eq!(page, "<html><body><p>x</p><p>[&lt;b&gt; does nothing]</p>\n</body></html>");
        assert_eq!(note.below_html("<p>x</p>"), "<p>x</p><p>[&lt;b&gt; does nothing]</p>\n");
    }
}
