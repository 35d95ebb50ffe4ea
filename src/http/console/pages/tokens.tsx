import type { FC } from 'hono/jsx';
import type { Role } from '../../../lifecycle/access.ts';
import type { ShownToken, TokenState } from '../../tokens.ts';
import { count, counted } from '../format.ts';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { type outcomeMarks, Outcome } from '../parts/state.tsx';
import { type Column, DataTable, Pager } from '../parts/table.tsx';
import { Quoted, Time } from '../parts/text.tsx';
import { AccessTabs, Org } from './sessions.tsx';

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
