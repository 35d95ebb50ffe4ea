import type { Notice } from '../lifecycle/notice.ts';
import type { Send } from './channel.ts';
import { runbookHeaders, standardHeaders } from './signatures.ts';

/** The body as the contract has it; that an alert has ended is told by one more key. */
const jsonOf = (notice: Notice): string =>
  JSON.stringify(notice.action === 'resolve' ? { ...notice.body, action: 'resolve' } : notice.body);

const json = { 'content-type': 'application/json' };

/** Posts a notice's JSON body with the headers of Standard Webhooks. */
export const sendWebhook: Send<'webhook'> = (notice, { url, secret = [] }, { post, now }) => {
  const body = jsonOf(notice);
  const headers = { ...json, ...standardHeaders(notice.id, Math.floor(now() / 1000), body, secret) };
  return post({ url, headers, body, secrets: secret });
};

/** Posts a runbook trigger, signed both ways (contract 6); `x-fdt-signature` is made with the first secret. */
export const sendRunbook: Send<'runbook'> = (notice, { url, secret }, { post, now }) => {
  const body = jsonOf(notice);
  const seconds = Math.floor(now() / 1000);
  const headers = {
    ...json,
    ...runbookHeaders(seconds, body, secret[0]),
    ...standardHeaders(notice.id, seconds, body, secret),
  };
  return post({ url, headers, body, secrets: secret });
};
