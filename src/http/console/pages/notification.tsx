import type { FC } from 'hono/jsx';
import type { AuditRow } from '../../../db/audit-reads.ts';
import type { attemptsOf, NotificationRow } from '../../../db/notification-reads.ts';
import { latency } from '../format.ts';
import { noticeWords } from '../notice-words.ts';
import { ActionLink, PostButton } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Facts, Panel, Verdict } from '../parts/panel.tsx';
import { DomainLink, Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { type Entry, Timeline } from '../parts/timeline.tsx';
import { sentence } from '../words.ts';
import { NoticeState, NoticeTries, Subject } from './notification-parts.tsx';

type Attempt = Awaited<ReturnType<typeof attemptsOf>>[number];

interface NotificationProps {
  readonly notification: NotificationRow;
  readonly attempts: readonly Attempt[];
  /** Who requeued it, as the audit log has it. */
  readonly requeues: readonly AuditRow[];
}

const tryEntry = (attempt: Attempt, index: number): Entry => {
  const { attempt: n, delivered, status, error, snippet, duration_ms: took, created_at: at } = attempt;
  const answer = status === null ? 'no answer' : `answered ${status}`;
  return {
    id: `try ${index}`,
    at,
    lane: 'said',
    tone: delivered ? 'issued' : 'tls_error',
    icon: delivered ? 's-issued' : 's-tls_error',
    text: (
      <>
        <strong>
          Try {n}: {delivered ? 'accepted' : 'failed'}
        </strong>
        , {answer}, {latency(took)}
      </>
    ),
    sub: [
      ...(error === null ? [] : [<Quoted text={error} />]),
      ...(snippet === null || snippet === ''
        ? []
        : [
            <>
              Answer:{' '}
              <code>
                <Quoted text={snippet} max={500} />
              </code>
            </>,
          ]),
    ],
  };
};

const requeueEntry = ({ seq, at, actor, reason }: AuditRow): Entry => ({
  id: `requeue ${seq}`,
  at,
  lane: 'said',
  tone: 'pending_issue',
  icon: 'replay',
  text: (
    <>
      <strong>Requeued</strong> by <Quoted text={actor} max={80} />
    </>
  ),
  sub: reason === null ? [] : [<Quoted text={reason} />],
});

const decided = ({ created_at: at, action, channel }: NotificationRow): Entry => ({
  id: 'decided',
  at,
  lane: 'said',
  tone: 'plain',
  icon: 'bell',
  text: (
    <>
      <strong>{action === 'fire' ? 'Alert decided' : 'End of the alert decided'}</strong>, for{' '}
      <Quoted text={channel} max={63} />
    </>
  ),
});

const entriesOf = ({ notification, attempts, requeues }: NotificationProps): Entry[] =>
  [...requeues.map(requeueEntry), ...attempts.map(tryEntry).toReversed(), decided(notification)].toSorted(
    (a, b) => b.at.getTime() - a.at.getTime(),
  );

const bodyFacts = (body: unknown): (readonly [string, string])[] =>
  typeof body === 'object' && body !== null
    ? Object.entries(body).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : value === null ? '–' : JSON.stringify(value),
      ])
    : [];

const Body: FC<{ of: unknown }> = ({ of }) => {
  const facts = bodyFacts(of);
  if (facts.length === 0) return <p class="quiet">The message has no fields of its own.</p>;
  return (
    <Facts of={facts.map(([name, value]) => [<code>{name}</code>, <Quoted text={value} max={1000} />] as never)} />
  );
};

const Given: FC<{ of: NotificationRow }> = ({ of }) => {
  if (of.status !== 'dead') return null;
  return (
    <Verdict
      tone="tls_error"
      icon="s-tls_error"
      live="notifications"
      title={
        <>
          Given up after {of.tries} {of.tries === 1 ? 'try' : 'tries'}, <Time at={of.updated_at} />
        </>
      }
    >
      <Quoted text={of.last_error} />
    </Verdict>
  );
};

const Actions: FC<{ of: NotificationRow }> = ({ of: { id, status } }) => {
  if (status === 'dead')
    return (
      <ActionLink
        to="notifications/some/requeue"
        params={{ ids: id }}
        dialog
        look="primary"
        icon="replay"
        needs="operator"
      >
        Requeue…
      </ActionLink>
    );
  if (status !== 'failed') return null;
  return (
    <PostButton to={`notifications/${id}/requeue`} icon="replay" needs="operator" busy="Trying…">
      Try now
    </PostButton>
  );
};

/** One notification: what it says, and every try to deliver it. */
export const NotificationPage: FC<NotificationProps> = (props) => {
  const { notification } = props;
  const { status, summary, channel, severity, route, domain, org_id: org } = notification;
  return (
    <>
      <Head
        crumb={<Link to="notifications">Notifications</Link>}
        title={<Quoted text={summary} max={300} />}
        marks={<NoticeState of={status} pill />}
        about={
          <>
            To <Quoted text={channel} max={63} /> about <Subject of={notification} />, decided{' '}
            <Time at={notification.created_at} />.
          </>
        }
        actions={<Actions of={notification} />}
      />
      <Given of={notification} />
      <div class="grid grid-main">
        <Panel id="tries" title="Tries" about={<NoticeTries of={notification} />} live="notifications">
          <Timeline of={entriesOf(props)} one />
        </Panel>
        <div class="pile">
          <Panel id="facts" title="Delivery" padded live="notifications">
            <Facts
              of={[
                [
                  'Channel',
                  <Link to="notifications" params={{ channel }}>
                    <Quoted text={channel} max={63} />
                  </Link>,
                ],
                ['About', sentence(noticeWords[notification.class])],
                ['Severity', `${severity}, ${route}`],
                ['Kind', notification.kind === 'runbook' ? 'runbook trigger' : 'alert'],
                ['Says', notification.action === 'fire' ? 'that it began' : 'that it is over'],
                domain === null ? null : ['Domain', <DomainLink name={domain} />],
                org === null ? null : ['Organisation', <Quoted text={org} max={200} />],
                ['Sent', <Time at={notification.sent_at} />],
                notification.next_attempt_at === null ? null : ['Next try', <Time at={notification.next_attempt_at} />],
                ['Requeued', notification.requeues === 0 ? 'never' : `${notification.requeues} times`],
                [
                  'Alert key',
                  <code>
                    <Quoted text={notification.alert_key} max={400} />
                  </code>,
                ],
                ['Message id', <Fingerprint of={notification.id} whole />],
              ]}
            />
          </Panel>
          <Panel id="body" title="What it says" padded>
            <Body of={notification.body} />
          </Panel>
        </div>
      </div>
    </>
  );
};
