# nst in a container. The pictures are in the current folder; the weights and compiled programs stay in a volume:
#
#     docker build -t nst .
#     docker run --rm --user "$(id -u)" -v "$PWD:/pictures" -v nst-cache:/cache nst photo.jpg painting.jpg

FROM python:3.13-slim

COPY pyproject.toml README.md LICENSE /source/
COPY nst /source/nst
COPY configs /source/configs
RUN pip install --no-cache-dir "/source[heic]" && rm -r /source

# any user may write there, since --user makes the pictures belong to who runs the container
RUN useradd nst && mkdir /pictures /cache && chmod 1777 /pictures /cache
USER nst
ENV NST_CACHE_DIR=/cache
VOLUME /cache
WORKDIR /pictures
ENTRYPOINT ["nst"]
CMD ["--help"]
