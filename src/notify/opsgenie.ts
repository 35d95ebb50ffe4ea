import { displayText } from '../lifecycle/display-text.ts';
import type { Notice } from '../lifecycle/notice.ts';
import type { Send } from './channel.ts';
import { factsOf, subjectOf } from './wording.ts';

const priorityOf = ({ route, severity }: Notice): string => {
  if (route === 'page') return 'P1';
  return severity === 'critical' ? 'P2' : 'P3';
};

const alertOf = (notice: Notice): Record<string, unknown> => ({
  message: displayText(notice.summary, 130),
  alias: notice.alertKey,
  description: factsOf(notice)
    .map(([name, text]) => `${name}: ${text}`)
    .join('\n'),
  entity: notice.domain ?? subjectOf(notice),
  source: 'notafter',
  priority: priorityOf(notice),
  tags: [notice.class, notice.severity, notice.route],
  details: Object.fromEntries(
    Object.entries(notice.body).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
  ),
});

/** Creates or closes an Opsgenie alert; the alert's key is its alias. */
export const sendOpsgenie: Send<'opsgenie'> = (notice, { apiKey, url }, { post }) => {
  const alerts = `${url.replace(/\/+$/, '')}/v2/alerts`;
  const fires = notice.action === 'fire';
  return post({
    url: fires ? alerts : `${alerts}/${encodeURIComponent(notice.alertKey)}/close?identifierType=alias`,
    headers: { 'content-type': 'application/json', authorization: `GenieKey ${apiKey}` },
    body: JSON.stringify(fires ? alertOf(notice) : { source: 'notafter', note: notice.summary }),
    secrets: [apiKey],
  });
};
