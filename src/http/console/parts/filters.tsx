import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import { sinceChoices } from '../times.ts';
import { href, samePage, useView } from '../view.ts';
import { type Choice, Field, Select } from './forms.tsx';
import { Icon } from './icons.tsx';

/** A filter that is set but has no field: a chip with a link that takes it away. */
export interface Chip {
  readonly name: string;
  readonly text: Child;
  /** What people call it; the name of the parameter otherwise. */
  readonly label?: string;
}

interface FiltersProps {
  /** Page the form leads to, as `events`; this page by default. */
  readonly to: string;
  readonly chips?: readonly Chip[];
  /** Parameters without a field that a new search keeps, as the tab. */
  readonly keep?: Readonly<Record<string, string | undefined>>;
  readonly button?: string;
}

/** Filters of a list: a GET form, so that the address is the state. */
export const Filters: FC<PropsWithChildren<FiltersProps>> = ({
  to,
  chips = [],
  keep = {},
  button = 'Filter',
  children,
}) => {
  const view = useView();
  return (
    <form class="filters" method="get" action={href(view, to)} data-drop-empty>
      {children}
      {Object.entries(keep).map(
        ([name, value]) => value !== undefined && <input type="hidden" name={name} value={value} />,
      )}
      <button class="btn" type="submit">
        {button}
      </button>
      {chips.map(({ name, text, label = name }) => (
        <span class="chip">
          <span class="faint">{label}</span> {text}
          <a href={samePage(view, { [name]: null })} aria-label={`Remove filter ${label}`}>
            <Icon name="close" />
          </a>
        </span>
      ))}
    </form>
  );
};

/** Choices of one kind side by side, each a link: `All`, `Events`, `Probes`. */
export const ChipLinks: FC<{ label: string; name: string; of: readonly Choice[]; value: string }> = ({
  label,
  name,
  of,
  value,
}) => {
  const view = useView();
  return (
    <div class="filters" role="group" aria-label={label}>
      {of.map((choice) => (
        <a
          class="chip"
          href={samePage(view, { [name]: choice.value })}
          aria-current={choice.value === value ? 'true' : undefined}
        >
          {choice.text}
        </a>
      ))}
    </div>
  );
};

interface FilterProps {
  /** Of the query parameter, which has its value. */
  readonly name: string;
  readonly label: string;
}

/** A filter by words, with the label as its placeholder. */
export const TextFilter: FC<FilterProps & { placeholder?: string }> = ({ name, label, placeholder = label }) => (
  <Field
    bare
    id={`f-${name}`}
    name={name}
    label={label}
    value={useView().query.get(name) ?? ''}
    placeholder={placeholder}
  />
);

/** A filter by one of few values, or by none of them: `any`. */
export const ChoiceFilter: FC<FilterProps & { any: string; choices: readonly Choice[] }> = ({ name, ...rest }) => (
  <Select bare id={`f-${name}`} name={name} value={useView().query.get(name) ?? ''} {...rest} />
);

/** Choices in words that are made of their values, or as they are. */
export const choicesOf = <T extends string>(
  values: readonly T[],
  wordsOf: (value: T) => string = (value) => value,
): Choice[] => values.map((value) => ({ value, text: wordsOf(value) }));

/** How long ago at the most. */
export const SinceFilter: FC = () => <ChoiceFilter name="since" label="Since" any="Any time" choices={sinceChoices} />;

/** The organisation, for those who see more than one. */
export const OrganisationFilter: FC = () =>
  useView().actor.orgId === null ? <TextFilter name="orgId" label="Organisation" /> : null;
