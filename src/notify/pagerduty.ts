import type { Notice } from '../lifecycle/notice.ts';
import type { Send } from './channel.ts';
import { subjectOf } from './wording.ts';

const payloadOf = (notice: Notice): Record<string, unknown> => ({
  summary: notice.summary,
  source: notice.domain ?? subjectOf(notice),
  severity: notice.severity,
  timestamp: new Date(notice.firedAt).toISOString(),
  component: 'certificate',
  class: notice.class,
  ...(notice.orgId !== null && { group: notice.orgId }),
  custom_details: notice.body,
});

/** Triggers or resolves a PagerDuty incident (Events API v2); the alert's key is the `dedup_key`. */
export const sendPagerDuty: Send<'pagerduty'> = (notice, { routingKey, url }, { post }) => {
  const fires = notice.action === 'fire';
  const body = JSON.stringify({
    routing_key: routingKey,
    event_action: fires ? 'trigger' : 'resolve',
    dedup_key: notice.alertKey,
    ...(fires && { client: 'notafter', payload: payloadOf(notice) }),
  });
  return post({ url, headers: { 'content-type': 'application/json' }, body, secrets: [routingKey] });
};
