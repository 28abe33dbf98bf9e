"""Makes the shards beside it (Python's tarfile and Pillow): samples with long names, a link and other members among them."""
import gzip, io, json, tarfile
from PIL import Image

def image(kind, grey):
    out = io.BytesIO()
    Image.new('RGB', (8, 6), (grey, 255 - grey, 40)).save(out, kind)
    return out.getvalue()

def write(file, format, samples):
    packed = gzip.GzipFile(file, 'wb', mtime=0)
    with tarfile.open(fileobj=packed, mode='w', format=format) as tar:
        for name, content in samples:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    packed.close()

long = 'a folder with a long name of its own/' * 3 + 'and a name that is long as well, ' * 4 + 'n\u00ef'
pax = [('./set', None), ('./set/0000.cls', b'1\n'), ('./set/0000.jpg', image('JPEG', 30)),
       (long + '.cls', b' 0'), (long + '.extra.npy', b'left out'), (long + '.PNG', image('PNG', 90)), ('README', b'no sample')]
write('pax.tgz', tarfile.PAX_FORMAT, pax)
write('gnu.tar.gz', tarfile.GNU_FORMAT, pax)
write('json-0.tgz', tarfile.USTAR_FORMAT, [('7.jpeg', image('JPEG', 60)), ('7.json', json.dumps({'label': 'wren', 'species': 5}).encode()),
                                           ('8.json', json.dumps({'label': 'robin', 'species': 0}).encode()), ('8.jpg', image('JPEG', 70))])
