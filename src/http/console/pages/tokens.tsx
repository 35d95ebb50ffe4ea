import type { FC } from 'hono/jsx';
import type { SessionRow } from '../../../db/sessions.ts';
import { includesRole, type Role, roles } from '../../../lifecycle/access.ts';
import type { ShownToken, TokenState } from '../../tokens.ts';
import { count, counted } from '../format.ts';
import { ActionLink, Field, PostButton, Select, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Facts, Panel, Tabs } from '../parts/panel.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { type outcomeMarks, Outcome, Tag } from '../parts/state.tsx';
import { type Column, DataTable, Pager } from '../parts/table.tsx';
import { Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';

interface TokensProps {
  readonly tokens: readonly ShownToken[];
  /** Those of the configuration. */
  readonly configured: readonly { readonly name: string; readonly role: Role }[];
  readonly next: string | null;
  readonly size: number;
}

const stateMarks: Readonly<Record<TokenState, keyof typeof outcomeMarks>> = {
  active: 'ok',
  expired: 'warn',
  revoked: 'none',
};

const Org: FC<{ of: string | null }> = ({ of }) =>
  of === null ? <span class="faint">all organisations</span> : <Quoted text={of} max={200} />;

const columns: readonly Column<ShownToken>[] = [
  {
    name: 'Token',
    kind: 'id',
    cell: ({ name, created_by: by, created_at: at }) => (
      <>
        <Quoted text={name} max={80} />
        <span class="sub">
          made by <Quoted text={by} max={80} />, <Time at={at} />
        </span>
      </>
    ),
  },
  {
    name: 'State',
    width: 'm',
    cell: ({ state, revoked_at: at, revoked_by: by }) => (
      <>
        <Outcome of={stateMarks[state]}>{state}</Outcome>
        {at !== null && (
          <span class="sub">
            by <Quoted text={by} max={80} />, <Time at={at} />
          </span>
        )}
      </>
    ),
  },
  { name: 'Role', width: 's', cell: ({ role }) => role },
  { name: 'Sees', cell: ({ org_id: org }) => <Org of={org} /> },
  {
    name: 'Last used',
    width: 's',
    cell: ({ last_used_at: at }) => (at === null ? <span class="faint">never</span> : <Time at={at} />),
  },
  {
    name: 'Expires',
    width: 's',
    cell: ({ expires_at: at }) => (at === null ? <span class="faint">never</span> : <Time at={at} />),
  },
  {
    name: 'Actions',
    kind: 'act',
    cell: ({ id, state }) =>
      state !== 'active' ? null : (
        <ActionLink to={`tokens/${id}/revoke`} dialog small needs="admin">
          Revoke…
        </ActionLink>
      ),
  },
];

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

const Configured: FC<{ of: TokensProps['configured'] }> = ({ of }) => (
  <Panel id="configured" title="Of the configuration" about={counted(of.length, 'token')}>
    <DataTable
      caption="Tokens of the configuration"
      look="tight flat"
      small
      rows={of}
      columns={[
        { name: 'Token', kind: 'id', cell: ({ name }) => <Quoted text={name} max={80} /> },
        { name: 'Role', cell: ({ role }) => role },
        {
          name: 'Taken back by',
          cell: () => (
            <>
              removing it from <code>CERT_ADMIN_TOKENS</code>
            </>
          ),
        },
      ]}
    />
  </Panel>
);

/** Access tokens, never the tokens themselves. */
export const TokensPage: FC<TokensProps> = ({ tokens, configured, next, size }) => {
  const active = tokens.filter(({ state }) => state === 'active').length;
  return (
    <>
      <Head
        title="Tokens"
        about={`${counted(active, 'active token')} on this page${configured.length > 0 ? `, ${count(configured.length)} in the configuration` : ''}.`}
        actions={
          <ActionLink to="tokens/new" dialog look="primary" icon="tokens" needs="admin">
            New token…
          </ActionLink>
        }
      />
      <Panel
        id="list"
        title="Tokens"
        quietTitle
        live="audit"
        {...(tokens.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              A revoked token lets nobody in from that moment; sessions opened with it end too.
            </Pager>
          ),
        })}
      >
        <AccessTabs current="tokens" />
        <DataTable
          caption="Tokens"
          columns={columns}
          rows={tokens}
          rowId={({ id }) => id}
          empty={
            <Empty title="No token was made here yet">
              Make one for each person and each program, so that the audit log tells them apart.
            </Empty>
          }
        />
      </Panel>
      {configured.length > 0 && <Configured of={configured} />}
    </>
  );
};

const lives = [
  { value: '7', text: '7 days' },
  { value: '30', text: '30 days' },
  { value: '90', text: '90 days' },
  { value: '365', text: 'A year' },
  { value: '', text: 'Never' },
] as const;

const abilities: Readonly<Record<Role, string>> = {
  viewer: 'viewer: sees',
  operator: 'operator: sees, replays, requeues, acknowledges',
  admin: 'admin: all that, and gives access',
};

/** What a new token is to be. */
export const NewTokenPage: FC = () => {
  const { actor } = useView();
  return (
    <Sheet
      title="New token"
      about="It is shown once, on the next page."
      action="tokens"
      back={{ to: 'tokens' }}
      act={
        <Submit look="primary" needs="admin" busy="Making…">
          Make the token
        </Submit>
      }
    >
      <Field
        id="t-name"
        name="name"
        label="Name"
        hint="Whose it is: a person or a program. It stands in the audit log."
        required
        maxlength={80}
        autofocus
        autocomplete="off"
      />
      <Select
        id="t-role"
        name="role"
        label="Role"
        value="viewer"
        choices={roles
          .filter((role) => includesRole(actor.role, role))
          .map((value) => ({ value, text: abilities[value] }))}
      />
      <div class="two">
        <Select id="t-days" name="days" label="Expires after" value="90" choices={lives} />
        {actor.orgId === null && (
          <Field
            id="t-org"
            name="orgId"
            label="Organisation"
            hint="Empty: all of them."
            maxlength={200}
            autocomplete="off"
          />
        )}
      </div>
    </Sheet>
  );
};

/** The one page that shows a token. */
export const MadeTokenPage: FC<{ token: string; row: ShownToken }> = ({ token, row }) => (
  <>
    <Head
      crumb={<Link to="tokens">Tokens</Link>}
      title={
        <>
          Copy the token of <Quoted text={row.name} max={80} /> now
        </>
      }
      about="It is kept nowhere: when this page is left, nobody can show it again."
      actions={<ActionLink to="tokens">Back to the list</ActionLink>}
    />
    <Panel id="token" title="The token" padded>
      <Facts
        of={[
          ['Token', <Fingerprint of={token} whole />],
          ['Role', row.role],
          ['Sees', <Org of={row.org_id} />],
          ['Expires', row.expires_at === null ? 'never' : <Time at={row.expires_at} />],
          ['Used as', <code>Authorization: Bearer …</code>],
        ]}
      />
    </Panel>
  </>
);

/** What is asked before a token is revoked. */
export const RevokeTokenPage: FC<{ token: ShownToken }> = ({ token }) => (
  <Sheet
    title={
      <>
        Revoke the token “<Quoted text={token.name} max={80} />”
      </>
    }
    about={
      <>
        {token.role}, last used {token.last_used_at === null ? 'never' : <Time at={token.last_used_at} />}
      </>
    }
    action={`tokens/${token.id}/revoke`}
    back={{ to: 'tokens', text: 'Keep it' }}
    act={
      <Submit look="danger" needs="admin" busy="Revoking…">
        Revoke 1 token
      </Submit>
    }
  >
    <p>
      Whoever uses it is refused from then on, and browsers signed in with it are signed out. It cannot be taken back.
    </p>
    <Field
      id="reason"
      name="reason"
      label="Reason"
      hint="Goes to the audit log, with your name."
      required
      maxlength={200}
      autofocus
    />
  </Sheet>
);

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
