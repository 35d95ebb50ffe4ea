import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import { includesRole, type Role } from '../../../lifecycle/access.ts';
import type { Actor } from '../../env.ts';
import { href, useView } from '../view.ts';
import { Icon, type IconName } from './icons.tsx';
import { describedBy, Labelled } from './labelled.tsx';
import { Link } from './text.tsx';

export interface Choice {
  readonly value: string;
  readonly text: string;
}

interface FieldProps {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly value?: string | undefined;
  readonly type?: 'text' | 'number' | 'search' | 'datetime-local' | 'password' | 'date';
  readonly placeholder?: string;
  readonly hint?: Child;
  readonly required?: boolean;
  readonly max?: number;
  readonly min?: number;
  readonly maxlength?: number;
  /** The label is there for assistive technology only, as in filters. */
  readonly bare?: boolean;
  readonly autofocus?: boolean;
  readonly autocomplete?: string;
}

/** A field with its label above it. */
export const Field: FC<FieldProps> = ({ id, label, hint, bare = false, type = 'text', autofocus, ...rest }) => (
  <Labelled id={id} label={label} hint={hint} bare={bare}>
    <input
      class="field"
      id={id}
      type={type}
      data-autofocus={autofocus}
      aria-describedby={describedBy(id, hint)}
      {...rest}
    />
  </Labelled>
);

/** A field of several lines. */
export const TextArea: FC<Omit<FieldProps, 'type' | 'bare'> & { rows?: number }> = (props) => {
  const { id, label, hint, value, rows = 3, autofocus, ...rest } = props;
  return (
    <Labelled id={id} label={label} hint={hint}>
      <textarea
        class="field"
        id={id}
        rows={rows}
        data-autofocus={autofocus}
        aria-describedby={describedBy(id, hint)}
        {...rest}
      >
        {value}
      </textarea>
    </Labelled>
  );
};

interface SelectProps {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly value?: string | undefined;
  /** Text of the first choice, which sets nothing: `Any class`. */
  readonly any?: string;
  readonly bare?: boolean;
}

/** A choice among few. */
export const Select: FC<SelectProps> = ({ id, name, label, choices, value = '', any, bare = false }) => (
  <Labelled id={id} label={label} bare={bare}>
    <select class="field" id={id} name={name}>
      {any !== undefined && <option value="">{any}</option>}
      {choices.map((choice) => (
        <option value={choice.value} selected={choice.value === value}>
          {choice.text}
        </option>
      ))}
    </select>
  </Labelled>
);

/** A tick box or one of several choices, with its text beside it. */
export const Check: FC<
  PropsWithChildren<{ name: string; value?: string; type?: 'checkbox' | 'radio'; checked?: boolean }>
> = ({ name, value = 'true', type = 'checkbox', checked = false, children }) => (
  <label class="check">
    <input type={type} name={name} value={value} checked={checked} />
    <span>{children}</span>
  </label>
);

interface ButtonProps {
  readonly look?: 'primary' | 'danger' | 'quiet' | undefined;
  readonly small?: boolean | undefined;
  readonly icon?: IconName | undefined;
  /** The role the act needs; below it the button is disabled and says so. */
  readonly needs?: Role | undefined;
  /** The act spans organisations: whoever is bound to one is refused. */
  readonly spans?: boolean | undefined;
}

const buttonClass = ({ look, small = false }: ButtonProps): string =>
  `btn${look === undefined ? '' : ` btn-${look}`}${small ? ' btn-small' : ''}`;

const refusal = ({ role, orgId }: Actor, needs: Role | undefined, spans: boolean): string | null => {
  if (needs !== undefined && !includesRole(role, needs)) return `needs ${needs}`;
  return spans && orgId !== null ? 'spans organisations' : null;
};

const Refused: FC<PropsWithChildren<ButtonProps & { because: string }>> = ({ because, icon, children, ...rest }) => (
  <button class={buttonClass(rest)} type="button" disabled>
    {icon !== undefined && <Icon name={icon} />}
    {children} <span class="why">({because})</span>
  </button>
);

type SubmitProps = PropsWithChildren<
  ButtonProps & {
    name?: string;
    value?: string;
    form?: string;
    /** What it says while the request runs: `Replaying…`. */ busy?: string;
    formaction?: string;
  }
>;

/** The button that sends the form it stands in. */
export const Submit: FC<SubmitProps> = ({ look, small, icon, needs, spans = false, busy, children, ...rest }) => {
  const because = refusal(useView().actor, needs, spans);
  if (because !== null) return <Refused {...{ look, small, icon, because }}>{children}</Refused>;
  return (
    <button class={buttonClass({ look, small })} type="submit" data-busy={busy} {...rest}>
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
};

interface ActionLinkProps extends ButtonProps {
  readonly to: string;
  readonly params?: Readonly<Record<string, string | number | undefined>>;
  /** The page it leads to is a dialog: with the script it opens over this one. */
  readonly dialog?: boolean;
}

/** A link that looks like a button: to another page, or to a dialog at its own address. */
export const ActionLink: FC<PropsWithChildren<ActionLinkProps>> = ({
  to,
  params,
  look,
  small,
  icon,
  needs,
  spans = false,
  dialog = false,
  children,
}) => {
  const view = useView();
  const because = refusal(view.actor, needs, spans);
  if (because !== null) return <Refused {...{ look, small, icon, because }}>{children}</Refused>;
  return (
    <a class={buttonClass({ look, small })} href={href(view, to, params)} data-dialog={dialog ? '' : undefined}>
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </a>
  );
};

interface PostProps extends ButtonProps {
  readonly to: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly busy?: string;
}

/** A button that is a whole POST form: for acts that ask nothing. */
export const PostButton: FC<PropsWithChildren<PostProps>> = ({ to, fields = {}, children, ...button }) => (
  <form method="post" action={href(useView(), to)}>
    {Object.entries(fields).map(([name, value]) => (
      <input type="hidden" name={name} value={value} />
    ))}
    <Submit {...button}>{children}</Submit>
  </form>
);

/** Below a table with tick boxes: how many are ticked, and what can be done with them. The boxes belong to this form. */
export const SelectionBar: FC<
  PropsWithChildren<{ form: string; action: string; fields?: Readonly<Record<string, string>> }>
> = ({ form, action, fields = {}, children }) => (
  <form id={form} method="post" action={href(useView(), action)} class="selection" data-selection={form}>
    {Object.entries(fields).map(([name, value]) => (
      <input type="hidden" name={name} value={value} />
    ))}
    <span data-selected>Tick rows to choose some</span>
    <span class="end">{children}</span>
  </form>
);

/** The link to a list's export, with the filters of the page. */
export const CsvLink: FC<{ to: string }> = ({ to }) => {
  const params = Object.fromEntries(useView().query);
  delete params.cursor;
  return (
    <Link to={to} params={params}>
      CSV
    </Link>
  );
};
