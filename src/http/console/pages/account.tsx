import type { FC } from 'hono/jsx';
import type { SessionRow } from '../../../db/sessions.ts';
import { Check, PostButton, Select, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Facts, Panel } from '../parts/panel.tsx';
import { Done } from '../parts/pick.tsx';
import { DataTable } from '../parts/table.tsx';
import { Time } from '../parts/text.tsx';
import { densities, themes } from '../preferences.ts';
import { href, useView } from '../view.ts';
import { SessionsTable } from './sessions.tsx';

const themeTexts = { system: 'As the system', light: 'Light', dark: 'Dark' } as const;
const densityTexts = { system: 'As the pointer', compact: 'Compact', roomy: 'Roomy' } as const;

const Radios: FC<{ name: string; label: string; of: readonly { value: string; text: string }[]; value: string }> = (
  props,
) => (
  <fieldset class="radios">
    <legend class="lab">{props.label}</legend>
    {props.of.map(({ value, text }) => (
      <Check name={props.name} value={value} type="radio" checked={value === props.value}>
        {text}
      </Check>
    ))}
  </fieldset>
);

const Look: FC<{ zones: readonly string[] }> = ({ zones }) => {
  const view = useView();
  const { theme, density, zone, keys } = view.preferences;
  return (
    <form method="post" action={href(view, 'account')} class="pile">
      <Radios
        name="theme"
        label="Theme"
        value={theme}
        of={themes.map((value) => ({ value, text: themeTexts[value] }))}
      />
      <Radios
        name="density"
        label="Rows"
        value={density}
        of={densities.map((value) => ({ value, text: densityTexts[value] }))}
      />
      <Select
        id="zone"
        name="zone"
        label="Time zone"
        value={zone}
        choices={zones.map((value) => ({ value, text: value }))}
      />
      <Check name="keys" value="on" checked={keys}>
        Single keys do something, as in the list below
      </Check>
      <div>
        <Submit look="primary" busy="Saving…">
          Save
        </Submit>
      </div>
    </form>
  );
};

const keyList = [
  ['/', 'go to the search'],
  ['j', 'next row'],
  ['k', 'row before'],
  ['Enter', 'open the row'],
  ['x', 'tick the row'],
  ['?', 'this list'],
] as const;

interface AccountProps {
  readonly sessions: readonly SessionRow[];
  readonly own: { readonly id: string; readonly via: 'token' | 'oidc'; readonly expiresAt: number } | null;
  readonly zones: readonly string[];
  readonly saved: boolean;
}

/** Who one is here, how the console looks, and where one is signed in. */
export const AccountPage: FC<AccountProps> = ({ sessions, own, zones, saved }) => {
  const { actor } = useView();
  return (
    <>
      <Head title="Account" about={`You are ${actor.name}, ${actor.role}.`} />
      {saved && <Done>Saved for this browser.</Done>}
      <div class="grid grid-2">
        <Panel id="look" title="Look" about="kept in this browser" padded>
          <Look zones={zones} />
        </Panel>
        <div class="pile">
          <Panel id="who" title="Access" padded>
            <Facts
              of={[
                ['Name', actor.name],
                ['Role', actor.role],
                ['Sees', actor.orgId ?? 'all organisations'],
                ['Signed in with', own?.via === 'oidc' ? 'single sign-on' : 'a token'],
                ['Until', <Time at={own?.expiresAt} />],
              ]}
            />
          </Panel>
          <Panel id="keys" title="Keys">
            <DataTable
              caption="Keys"
              look="tight flat"
              small
              rows={keyList}
              columns={[
                { name: 'Key', kind: 'id', cell: ([key]) => <kbd>{key}</kbd> },
                { name: 'Does', cell: ([, text]) => text },
              ]}
            />
          </Panel>
        </div>
      </div>
      <Panel
        id="sessions"
        title="Your sessions"
        more={
          <PostButton to="logout" fields={{ everywhere: '1' }} small busy="Signing out…">
            Sign out everywhere
          </PostButton>
        }
      >
        <SessionsTable rows={sessions} own={own?.id ?? null} back="account" />
      </Panel>
    </>
  );
};
