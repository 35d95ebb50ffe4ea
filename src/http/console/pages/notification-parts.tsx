import type { FC } from 'hono/jsx';
import type { NotificationRow } from '../../../db/notification-reads.ts';
import type { NotificationStatus } from '../../../db/schema-served.ts';
import { maxDeliveryTries } from '../../../lifecycle/delivery.ts';
import { span } from '../format.ts';
import { noticeStates } from '../notice-words.ts';
import { Tries } from '../parts/progress.tsx';
import { Outcome } from '../parts/state.tsx';
import { Host, Quoted, Time } from '../parts/text.tsx';

/** The state of a notification. */
export const NoticeState: FC<{ of: NotificationStatus; pill?: boolean }> = ({ of, pill = false }) => (
  <Outcome of={noticeStates[of].of} pill={pill}>
    {noticeStates[of].text}
  </Outcome>
);

const triedText = ({ status, tries }: NotificationRow): string => {
  if (status !== 'sent') return `Retry ${tries}/${maxDeliveryTries}`;
  return tries > 1 ? `Sent at try ${tries}` : 'Sent';
};

/** Tries as dots and `Retry 2/5`; `Sent at try 3` for what arrived. */
export const NoticeTries: FC<{ of: NotificationRow }> = ({ of }) => (
  <Tries made={of.tries} most={maxDeliveryTries} good={of.status === 'sent'}>
    {triedText(of)}
  </Tries>
);

const lasted = ({ created_at, updated_at, requeues }: NotificationRow): string => {
  const ms = updated_at.getTime() - created_at.getTime();
  // After a requeue nobody knows from the row when the first of these tries was.
  return ms < 1000 || requeues > 0 ? '' : ` in ${span(ms)}`;
};

/** What the last try said, and below it what that means. */
export const LastError: FC<{ of: NotificationRow }> = ({ of }) => {
  const { status, last_error: error, tries, next_attempt_at: next } = of;
  if (error === null) return <span class="faint">–</span>;
  return (
    <>
      <Quoted text={error} max={240} />
      {status === 'failed' && next !== null && (
        <span class="sub">
          next try <Time at={next} />
        </span>
      )}
      {status === 'dead' && (
        <span class="sub">
          {tries < maxDeliveryTries ? 'refused for good, not tried again' : `${tries} tries${lasted(of)}`}
        </span>
      )}
    </>
  );
};

/** Of what a notice speaks: its domain, or our own work. */
export const Subject: FC<{ of: Pick<NotificationRow, 'domain'> }> = ({ of: { domain } }) =>
  domain === null ? <>the pipeline itself</> : <Host name={domain} />;
