"""Makes the archives beside it (NumPy 2): 5 images in part train and 3 in test, as MedMNIST and other programs have them."""
import numpy as np

def images(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

labels = {'train': [0, 3, 1, 2, 3], 'test': [2, 0, 1]}
# One archive of all parts, deflated; labels [N, 1], as MedMNIST has them.
np.savez_compressed('medical.npz', **{k: v for part, count in (('train', 5), ('test', 3)) for k, v in (
    (f'{part}_images', images(count, count, 6, 4)), (f'{part}_labels', np.array(labels[part], dtype=np.uint8)[:, None]))})
# An archive of a part, stored; labels of the other byte order.
np.savez('test.npz', images=images(9, 3, 4, 5, 3), labels=np.array(labels['test'], dtype='>i2'))
