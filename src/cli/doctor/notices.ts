import { parseObject } from '../../emit/json.ts';
import { listOf, membersOf } from '../io.ts';
import { printable } from '../table.ts';
import { type Check, ok, warn } from './check.ts';
import { ask, type Probe } from './server.ts';

const name = 'notices';
const page = 500;

/** Channels of a page of notifications, as words. */
const channelsOf = (rows: readonly Readonly<Record<string, unknown>>[]): string[] => [
  ...new Set(rows.map((row) => printable(row['channel']))),
];

const deadCheck = (dead: number, channels: readonly string[]): Check => {
  const [only] = channels;
  const filter = only !== undefined && channels.length === 1 ? ` --channel ${only}` : '';
  const on = channels.length === 1 ? 'channel' : 'channels';
  return warn(
    name,
    `${dead} dead on ${on} ${channels.join(', ')}`,
    `see notafter notifications list --status dead${filter}, mend the receiver, then notafter notifications requeue --status dead${filter}`,
  );
};

/** Whether receivers have been told what they should be; nothing where this token may not ask. */
export const checkNotices = async (probe: Probe, url: string, token: string | undefined): Promise<Check[]> => {
  if (token === undefined) return [];
  const headers = { authorization: `Bearer ${token}` };
  const answer = await ask(probe, `${url}/v1/admin/notifications?status=dead&limit=${page}`, { headers });
  if ('why' in answer || answer.status !== 200) return [];
  const body = parseObject(answer.text);
  const dead = Number(membersOf(body['stats'])['dead'] ?? 0);
  return [dead === 0 ? ok(name, 'no dead notifications') : deadCheck(dead, channelsOf(listOf(body['notifications'])))];
};
