import type { Send } from './channel.ts';
import { factsOf, titleOf } from './wording.ts';

/** `<!channel>` and links in text from outside must not come alive. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Posts to a Slack incoming webhook: blocks, and the same as one line for notifications. */
export const sendSlack: Send<'slack'> = (notice, { url }, { post }) => {
  const title = titleOf(notice);
  // `verbatim` keeps names and addresses from being linked.
  const fields = factsOf(notice).map(([name, text]) => ({
    type: 'mrkdwn',
    text: `*${name}*\n${escape(text)}`,
    verbatim: true,
  }));
  const body = JSON.stringify({
    text: escape(title),
    blocks: [
      { type: 'section', text: { type: 'plain_text', text: title, emoji: false } },
      { type: 'section', fields },
      { type: 'context', elements: [{ type: 'plain_text', text: `${notice.alertKey} · ${notice.id}`, emoji: false }] },
    ],
  });
  return post({ url, headers: { 'content-type': 'application/json' }, body, secrets: [] });
};
