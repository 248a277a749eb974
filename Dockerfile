# docker build -t artifacts . && docker run -it -p 8888:8888 artifacts
# Smaller, without CUDA: docker build --build-arg TORCH_INDEX=address-of-an-index ...
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes git make python3-venv
WORKDIR /artifacts
COPY . .
ARG TORCH_INDEX=
RUN make env TORCH_INDEX="$TORCH_INDEX"
ENV PATH=/artifacts/.venv/bin:$PATH
CMD ["make", "lab", "LAB=--ip 0.0.0.0"]
