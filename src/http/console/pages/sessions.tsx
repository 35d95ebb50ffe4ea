import type { FC } from 'hono/jsx';
import type { SessionRow } from '../../../db/sessions.ts';
import { counted } from '../format.ts';
import { PostButton } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Panel, Tabs } from '../parts/panel.tsx';
import { Tag } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';

/** Whom an access reaches. */
export const Org: FC<{ of: string | null }> = ({ of }) =>
  of === null ? <span class="faint">all organisations</span> : <Quoted text={of} max={200} />;

/** The two lists of who gets in, for admins. */
export const AccessTabs: FC<{ current: 'tokens' | 'sessions' }> = ({ current }) => {
  const { actor } = useView();
  if (actor.role !== 'admin') return null;
  return (
    <Tabs
      label="Access"
      of={[
        { to: 'tokens', text: 'Tokens', current: current === 'tokens' },
        { to: 'sessions', text: 'Sessions', current: current === 'sessions' },
      ]}
    />
  );
};

/** Browsers that are signed in. */
export const SessionsTable: FC<{ rows: readonly SessionRow[]; own: string | null; back: string }> = ({
  rows,
  own,
  back,
}) => (
  <DataTable
    caption="Sessions"
    rows={rows}
    rowId={({ id }) => id}
    columns={[
      {
        name: 'Who',
        kind: 'id',
        cell: ({ id, actor, role, org_id: org }) => (
          <>
            <Quoted text={actor} max={80} /> {id === own && <Tag>this browser</Tag>}
            <span class="sub">
              {role}, <Org of={org} />
            </span>
          </>
        ),
      },
      { name: 'Signed in', width: 's', cell: ({ created_at: at }) => <Time at={at} /> },
      { name: 'Last seen', width: 's', cell: ({ last_seen_at: at }) => <Time at={at} /> },
      { name: 'Ends', width: 's', cell: ({ expires_at: at }) => <Time at={at} /> },
      {
        name: 'From',
        kind: 'err',
        cell: ({ address, user_agent: agent, via }) => (
          <>
            <Quoted text={address} max={60} />, {via === 'oidc' ? 'single sign-on' : 'token'}
            <span class="sub">
              <Quoted text={agent} max={120} />
            </span>
          </>
        ),
      },
      {
        name: 'Actions',
        kind: 'act',
        cell: ({ id }) => (
          <PostButton to={`sessions/${id}/end`} fields={{ back }} small busy="Ending…">
            {id === own ? 'Sign out' : 'End'}
          </PostButton>
        ),
      },
    ]}
  />
);

/** All sessions for admins, one's own for others. */
export const SessionsPage: FC<{ rows: readonly SessionRow[]; own: string | null }> = ({ rows, own }) => {
  const { actor } = useView();
  return (
    <>
      <Head
        title="Sessions"
        about={`${counted(rows.length, 'browser')} signed in${actor.role === 'admin' ? '' : ' as you'}.`}
      />
      <Panel id="list" title="Sessions" quietTitle live="audit">
        <AccessTabs current="sessions" />
        <SessionsTable rows={rows} own={own} back="sessions" />
      </Panel>
    </>
  );
};
