import type { FC } from 'hono/jsx';
import { includesRole, type Role, roles } from '../../../lifecycle/access.ts';
import type { ShownToken } from '../../tokens.ts';
import { ActionLink, Field, Select, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Facts, Panel } from '../parts/panel.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { Fingerprint, Link, Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';
import { Org } from './sessions.tsx';

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
