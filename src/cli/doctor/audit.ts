import { parseObject } from '../../emit/json.ts';
import { membersOf } from '../io.ts';
import { type Check, ok, warn } from './check.ts';
import { ask, type Probe } from './server.ts';

/** A worker signs once a minute. */
const lateMs = 5 * 60_000;

/** Whether the audit log is signed, so that rows cut off its end or a chain written anew would be found. */
export const checkAudit = async (probe: Probe, url: string, token: string | undefined): Promise<Check[]> => {
  if (token === undefined) return [];
  const page = await ask(probe, `${url}/v1/admin/audit/checkpoint`, { headers: { authorization: `Bearer ${token}` } });
  // What refuses the token or does not answer is told by other checks.
  if ('why' in page || page.status !== 200) return [];
  const body = parseObject(page.text);
  const [last, head] = [membersOf(body['checkpoint']), membersOf(body['head'])];
  const unsigned = Number(head['seq'] ?? 0) - Number(last['seq'] ?? 0);
  if (body['signing'] !== true)
    return [warn('audit', 'the audit log is not signed', 'set CERT_AUDIT_SIGNING_SECRET, the same in all processes')];
  const isLate = last['at'] !== undefined && probe.now() - Number(last['at']) > lateMs;
  if (unsigned !== 0 && isLate)
    return [
      warn('audit', 'the audit log was not signed for 5 minutes', 'run notafter audit verify; see the log of a worker'),
    ];
  return [ok('audit', 'the audit log is signed')];
};
