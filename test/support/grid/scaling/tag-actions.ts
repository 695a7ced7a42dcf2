import { type Form, invalid } from '../query.ts';
import { page } from './group-actions.ts';
import { readTags, tagShape } from './read-group.ts';
import type { Actions, Estate } from './scaling.ts';
import type { Group, GroupTag } from './state.ts';

/** Tags of groups (Auto Scaling API Reference, by the name of each action). */
export const tagActions: Actions = {
  CreateOrUpdateTags(estate, form) {
    const read = readTags(form);
    form.each('Tags').forEach((one, place) => {
      const tag = read[place];
      if (tag !== undefined) needTagged(estate, one).tags.set(tag.key, tag);
    });
  },

  DeleteTags(estate, form) {
    for (const one of form.each('Tags')) needTagged(estate, one).tags.delete(one.need('Key'));
  },

  DescribeTags(estate, form) {
    const all = [...estate.groups.values()].flatMap((group) => [...group.tags.values()].map((tag) => ({ group, tag })));
    const found = all.filter(({ group, tag }) => form.each('Filters').every((filter) => meets(group, tag, filter)));
    const { items, NextToken } = page(found, form, 50);
    return { Tags: items.map(({ group, tag }) => tagShape(group, tag)), NextToken };
  },
};

function needTagged(estate: Estate, one: Form): Group {
  if (one.text('ResourceType') !== 'auto-scaling-group') throw invalid('ResourceType must be auto-scaling-group');
  return estate.needNamed(one.need('ResourceId'));
}

function meets(group: Group, tag: GroupTag, filter: Form): boolean {
  const values = filter.list('Values');
  switch (filter.need('Name')) {
    case 'auto-scaling-group':
      return values.includes(group.name);
    case 'key':
      return values.includes(tag.key);
    case 'value':
      return values.includes(tag.value);
    case 'propagate-at-launch':
      return values.includes(String(tag.propagate));
    default:
      throw invalid(`Filter type ${filter.text('Name')} is not correct.`);
  }
}
