import type { Notice } from '../lifecycle/notice.ts';
import type { Send } from './channel.ts';
import { factsOf, titleOf } from './wording.ts';

const colourOf = ({ action, severity }: Notice): string => {
  if (action === 'resolve') return 'Good';
  return severity === 'critical' ? 'Attention' : 'Warning';
};

// Rich text runs know no Markdown, so that text from outside cannot make links.
const line = (...runs: readonly Record<string, unknown>[]): Record<string, unknown> => ({
  type: 'RichTextBlock',
  inlines: runs.map((run) => ({ type: 'TextRun', ...run })),
});

/** Posts an Adaptive Card to a Microsoft Teams workflow ("when a webhook request is received"). */
export const sendTeams: Send<'teams'> = (notice, { url }, { post }) => {
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    fallbackText: titleOf(notice),
    body: [
      line({ text: titleOf(notice), weight: 'Bolder', size: 'Medium', color: colourOf(notice) }),
      ...factsOf(notice).map(([name, text]) => line({ text: `${name}: `, weight: 'Bolder' }, { text })),
    ],
  };
  const body = JSON.stringify({
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  });
  return post({ url, headers: { 'content-type': 'application/json' }, body, secrets: [] });
};
