# onegate in an image built with Packer: copy this build block's provisioners into yours.
#
#   packer build -var package=dist/packages/onegate_0.1.0_amd64.deb .

variable "package" {
  type        = string
  description = "onegate's package for the image's distribution: a deb, an rpm or an apk"
}

build {
  sources = ["source.qemu.image"] # yours

  provisioner "file" {
    source      = var.package
    destination = "/tmp/${basename(var.package)}"
  }

  provisioner "shell" {
    script           = "${path.root}/install-onegate"
    environment_vars = ["PACKAGE=/tmp/${basename(var.package)}"]
    execute_command  = "sudo env {{ .Vars }} sh {{ .Path }}"
  }
}
