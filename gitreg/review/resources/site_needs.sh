python -c 'import importlib.metadata as m; print(*[one.partition(";")[0] for one in m.requires("gitreg") if "site" in one.partition("extra ==")[2]], sep="\n")' > .gitreg-site.txt
python -m pip install --quiet --requirement .gitreg-site.txt
