/** The format `folder` is one of files that are decoded when they are needed; what it promises is tested in coded.test.ts. */

import { expect, test } from 'vitest';
import { FORMATS } from '../../../../src/data/catalogue.js';

test('each folder is a part, and its images have three channels', () => {
  expect(FORMATS.get('folder')).toMatchObject({
    kind: 'coded',
    parts: { form: expect.stringMatching('a folder') },
    channels: 3,
    labelSets: ['fine'],
  });
});
